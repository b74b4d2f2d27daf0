using Microsoft.Extensions.Logging;
using Plane.Grains.Backends;
using Plane.Grains.Feed;
using Plane.Grains.Metrics;
using Plane.Storage;

namespace Plane.Grains.Warm;

/// <summary>What became of the claims for a connect.</summary>
/// <param name="Last">The last claim's result; null where the service keeps no warm backends.</param>
/// <param name="Holder">The backend that holds the key now, where one does: ready, or, where its drone has not said anything for long, about to be.</param>
internal sealed record ClaimEnd(AcquireResult? Last, HolderInfo? Holder)
{
    /// <summary>A backend must be started.</summary>
    public static ClaimEnd None { get; } = new(null, null);
}

/// <summary>
/// Gives a connect by service a backend that runs already.
/// <para>
/// 1. The claim is one transaction (<see cref="IWarmPoolStore.ClaimAsync"/>): from its commit on the backend holds the key, whatever is lost after it.
/// 2. The backend's drone gets the claim as an action, says the key to the backend, and reports that it is ready, or its end where the backend did not take it. This is waited for.
/// 3. An end is followed by another claim; after <see cref="MaxFailed"/> of them a backend is started instead.
/// </para>
/// </summary>
internal sealed partial class WarmClaims(
    IWarmPoolStore store, HistoryReader histories, ChangeFeed feed, WarmSignal refill, ControllerMetrics metrics, TimeProvider time, ILogger<WarmClaims> logger)
{
    /// <summary>How many backends may end by their claim before one is started.</summary>
    public const int MaxFailed = 2;

    // A drone has 2 s for the call and some ms for the rest. Longer, and it is not heard of: the connect is answered, and its URL waits like that of any backend that starts.
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(4);

    private readonly ILogger _logger = logger;

    /// <summary>Claims.</summary>
    /// <param name="command">The connect, with its service's version and spawn config.</param>
    /// <param name="cluster">The cluster.</param>
    /// <param name="cancellationToken">Gives up waiting; what was committed stays.</param>
    public async Task<ClaimEnd> ClaimAsync(ResolvedConnect command, ClusterName cluster, CancellationToken cancellationToken)
    {
        if (command is not { Service: { } service, ServiceVersion: not null, Warm: { } warm })
        {
            return ClaimEnd.None;
        }

        for (var failed = 0; failed < MaxFailed; failed++)
        {
            var request = new ClaimRequest { Command = command, Cluster = cluster, Path = warm.ClaimPath };
            var claimed = await store.ClaimAsync(request, cancellationToken);
            if (claimed is not { Outcome: AcquireOutcome.Acquired, Holder: { } holder })
            {
                metrics.Claimed(claimed.Outcome == AcquireOutcome.NoneWarm ? "none" : "refused");
                return new ClaimEnd(claimed, null);
            }

            var status = await WaitAsync(holder.Identity.Backend, cancellationToken);

            // Not before: a start takes from the machine what the claim needs.
            refill.Set();
            if (status < BackendStatus.Terminating)
            {
                metrics.Claimed(status == BackendStatus.Ready ? "ready" : "late");
                return new ClaimEnd(claimed, holder with { Status = status });
            }

            metrics.Claimed("failed");
            LogFailed(holder.Identity.Backend, service);

            // The key is free once nothing of it runs.
            await UntilAsync(holder.Identity.Backend, BackendStatus.Terminated, time.GetTimestamp(), LongPoll.Longest, cancellationToken);
        }

        return ClaimEnd.None;
    }

    /// <summary>The backend's state once it is ready or ends, or when the time is over.</summary>
    private async Task<BackendStatus> WaitAsync(BackendName backend, CancellationToken cancellationToken)
    {
        var begun = time.GetTimestamp();
        using var waiting = metrics.Waiting("claim");
        return await UntilAsync(backend, BackendStatus.Ready, begun, s_longest, cancellationToken);
    }

    // (1) to (4) of the feed's rule.
    private async Task<BackendStatus> UntilAsync(BackendName backend, BackendStatus status, long begun, TimeSpan atMost, CancellationToken cancellationToken)
    {
        using var subscription = feed.Subscribe(Topic.Backend(backend));
        while (true)
        {
            var history = await histories.ReadAsync(backend, cancellationToken);
            var last = history is { Entries: [.., { } entry] } ? entry.Status : BackendStatus.Terminated;
            if (last >= status || !await subscription.WaitAsync(time.Left(begun, atMost), cancellationToken))
            {
                return last;
            }
        }
    }

    [LoggerMessage(EventIds.WarmClaimsFailed, LogLevel.Warning, "The warm backend {Backend} of service {Service} did not take its claim and is ended")]
    private partial void LogFailed(BackendName backend, ServiceName service);
}
