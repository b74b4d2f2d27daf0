namespace Plane.Storage;

/// <summary>The sweeps. Each is guarded so that one controller does it at a time; the result is the number of rows it concerned. The rules of <see cref="IPlaneStore"/> hold for each member.</summary>
public interface ISweepStore
{
    /// <summary>Makes each backend whose key has expired <c>terminated</c>/<c>lost</c> and drops the unacknowledged actions of ended backends.</summary>
    Task<int> SweepLostAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Queues the end of ready backends that had no connection for their <c>max_idle_seconds</c>, as far as the live proxies have reported. After a gap in which
    /// no controller served, each proxy that was live before it counts until it had the time to report again.
    /// </summary>
    Task<int> SweepIdleAsync(CancellationToken cancellationToken);

    /// <summary>Queues the end of backends over their lifetime.</summary>
    Task<int> SweepLifetimeAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Deletes, in batches, what is older than its age: ended backends, log rows, expired TXT values, kept answers, failed starts, silent proxies, drones that run nothing;
    /// also the tokens of all that ended.
    /// </summary>
    Task<int> CleanUpAsync(TimeSpan endedBackends, TimeSpan logRows, CancellationToken cancellationToken);
}
