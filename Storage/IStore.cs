namespace Plane.Storage;

/// <summary>The database behind a controller: its start, what identifies it, and what keeps it from serving. The rules of <see cref="IPlaneStore"/> hold for each member.</summary>
public interface IStore
{
    /// <summary>Brings the schema up to date, checks that this binary may work with the schema, reads the installation id. Before anything else.</summary>
    /// <exception cref="StoreRefusedException">The schema is too new or of an older build, a setting makes the store unsafe (<c>fsync = off</c>), or the file is not a store.</exception>
    Task InitializeAsync(CancellationToken cancellationToken);

    /// <summary>The random id of this database, made with it. Known after <see cref="InitializeAsync"/>.</summary>
    string InstallationId { get; }

    /// <summary>How many rows that can't be read were met and skipped. One that is read again is counted again.</summary>
    long UnreadableRows { get; }

    /// <summary>What keeps the database from serving connects, as far as was noticed, or null. While it is not null, the store logs it.</summary>
    StoreFault? Outage { get; }

    /// <summary>
    /// Whether statements are answered: not while some have been under way for a tenth of a second and none was answered in that time, nor during an outage. Sooner than <see cref="Outage"/>, which has to be certain: who reads
    /// it has another controller to ask.
    /// </summary>
    bool Answers { get; }

    /// <summary>What is wrong with this machine's clock as compared with the database server's at the last heartbeat, or null. SQLite has no other clock.</summary>
    string? ClockProblem { get; }

    /// <summary>Answers if the database can serve a connect: it is reached in time, it takes writes, and no other program keeps its tables locked.</summary>
    Task PingAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Closes the store. It is not an <see cref="IAsyncDisposable"/>: a service container would dispose it once for each interface that it is registered by, the first time
    /// before services that still use it.
    /// </summary>
    ValueTask DisposeAsync();
}
