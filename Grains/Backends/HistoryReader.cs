using Plane.Grains.Batching;
using Plane.Grains.Metrics;
using Plane.Storage;

namespace Plane.Grains.Backends;

/// <summary>
/// Reads histories for all who ask at the same time, in one statement: a change wakes all of a backend's readers at once, a burst of readers may be thousands, and
/// anybody may be one. However many come, they take one of the database's connections from those who must not wait: drones, connects, renewals.
/// <para>
/// A read begins after it was asked for, never before: it joins the statement that comes next, not the one that runs. So it sees what was committed before it was
/// asked for, as the feed's rule needs it.
/// </para>
/// </summary>
internal sealed class HistoryReader(IBackendStore store, TimeProvider time, ControllerMetrics metrics) : IAsyncDisposable
{
    // A backend has at most eight short rows, and most readers of a statement ask for the same backends. What waits is bounded by the number of streams.
    private static readonly BatchLimits s_limits = new("histories", MaxItems: 2_048, MaxQueued: 20_000, Longest: TimeSpan.FromSeconds(8));

    private readonly BatchWriter<BackendName, BackendHistory?> _reads = new(s_limits, store.ReadHistoriesAsync, static _ => 1, time, metrics);

    /// <summary>How many readers wait for the next statement.</summary>
    public int Queued => _reads.Queued;

    /// <summary>The backend's history, or null where there is no such backend.</summary>
    /// <exception cref="StoreUnavailableException">Ask again.</exception>
    public Task<BackendHistory?> ReadAsync(BackendName backend, CancellationToken cancellationToken) => _reads.WriteAsync(backend, cancellationToken);

    public ValueTask DisposeAsync() => _reads.DisposeAsync();
}
