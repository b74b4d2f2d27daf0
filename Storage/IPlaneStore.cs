namespace Plane.Storage;

/// <summary>
/// All that a controller stores, by aggregate; code takes the interface that it uses. PostgreSQL (<c>PostgresStore</c>) and SQLite (<c>SqliteStore</c>) implement it, one
/// conformance suite covers both.
/// <para>
/// Each member is one statement or one transaction; every decision that must hold is made in it, by the database's clock, so that it stays right when two activations of one
/// grain call it at once.
/// </para>
/// <para>
/// Failures: <see cref="StoreUnavailableException"/> where the database is unavailable or answered with a transient error after the retries (deadlock and
/// serialisation failures, 40P01 and 40001, are retried inside); the outcome of a write is then unknown. Everything that changes something may be repeated.
/// </para>
/// </summary>
public interface IPlaneStore
    : IStore, IControllerStore, IKeyStore, IWarmPoolStore, IDroneStore, IBackendStore, IRouteStore, IServiceStore, IImageStore, ICertificateStore, IChangeLog, ISweepStore;
