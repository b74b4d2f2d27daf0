using Plane.Grains.Feed;
using Plane.Grains.Metrics;
using Plane.Storage;

namespace Plane.Grains.Backends;

/// <summary>Reads the states of backends, and waits for the next one where there is none yet. Any number of threads.</summary>
internal sealed class StatusReader(HistoryReader histories, ChangeFeed feed, ControllerMetrics metrics, TimeProvider time)
{
    /// <summary>The states after one that the caller knows.</summary>
    /// <param name="backend">The backend.</param>
    /// <param name="after">The last state that the caller knows; null for all.</param>
    /// <param name="wait">How long to wait for one (<see cref="LongPoll.Bounded"/>).</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="StoreUnavailableException">Retry.</exception>
    public async Task<StatusPage> ReadAsync(BackendName backend, BackendStatus? after, TimeSpan wait, CancellationToken cancellationToken)
    {
        var begun = time.GetTimestamp();
        using var waiting = metrics.Waiting("status");

        // (1) to (4) of the feed's rule.
        using var subscription = feed.Subscribe(Topic.Backend(backend));
        while (true)
        {
            if (await histories.ReadAsync(backend, cancellationToken) is not { } history)
            {
                return new StatusPage { Exists = false };
            }

            var entries = history.After(after);

            // After the last state nothing comes: no reason to wait.
            if (entries.Count > 0
                || after == BackendStatus.Terminated
                || !await subscription.WaitAsync(time.Left(begun, LongPoll.Bounded(wait)), cancellationToken))
            {
                return new StatusPage { Exists = true, Entries = [.. entries] };
            }
        }
    }
}
