namespace Plane.Storage;

/// <summary>Warm backends: started before a connect needs one, and given to its key by a claim. The rules of <see cref="IPlaneStore"/> hold for each member.</summary>
public interface IWarmPoolStore
{
    /// <summary>
    /// Gives a free or expired key to a warm backend of the command's service and version: with the checks of <see cref="IKeyStore.AcquireAsync"/>, the backend's key and fencing token are changed, and connection token
    /// and claim action written, in one transaction. The lease's expiry stays. The request's own id is not stored: a repeat finds the key held.
    /// </summary>
    Task<AcquireResult> ClaimAsync(ClaimRequest request, CancellationToken cancellationToken);

    /// <summary>All backends that are in a pool: not ended and not claimed.</summary>
    Task<IReadOnlyList<WarmBackend>> ListWarmAsync(CancellationToken cancellationToken);

    /// <summary>How long no warm backend of a service's version is to be started, because the last starts failed; zero where that time has passed, null where the last one did not fail.</summary>
    Task<TimeSpan?> ReadWarmDelayAsync(ServiceName service, long version, CancellationToken cancellationToken);

    /// <summary>Queues the soft end of backends that are still in a pool; those that were claimed meanwhile are left alone. The result is how many ends were queued.</summary>
    Task<int> EndWarmAsync(IReadOnlyList<BackendIdentity> backends, CancellationToken cancellationToken);
}
