using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Orleans;

namespace Plane.Dns.Server;

/// <summary>
/// The clusters' TXT values, kept for a second. One call at a time asks for a cluster; everybody who asks meanwhile waits for it. The names kept are bounded:
/// questions come from anywhere; so are the questions to the controller under way.
/// </summary>
internal sealed partial class TxtSource(IClusterClient cluster, DnsOptions options, TimeProvider time, ILogger<TxtSource> logger)
{
    /// <summary>
    /// The most questions to the controller at a time. Enough for every cluster that orders certificates; beyond it the questions are a flood of invented
    /// names, which must not become a flood of statements.
    /// </summary>
    internal const int MaxAsking = 256;

    private const int MaxEntries = 10_000;

    private readonly ConcurrentDictionary<ClusterName, Entry> _entries = new();
    private int _asking;

    /// <summary>The values, or null where the controller did not answer in time or too many questions to it are under way.</summary>
    public async ValueTask<string[]?> ReadAsync(ClusterName name, CancellationToken cancellationToken)
    {
        var now = time.GetTimestamp();
        if (_entries.TryGetValue(name, out var entry) && (!entry.Values.IsCompleted || time.GetElapsedTime(entry.Since, now) <= options.CacheFor))
        {
            return await entry.Values.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        // Not kept: the next question for the name is to be answered as soon as there is room.
        if (Interlocked.Increment(ref _asking) > MaxAsking)
        {
            Interlocked.Decrement(ref _asking);
            return null;
        }

        if (_entries.Count >= MaxEntries)
        {
            _entries.Clear();
        }

        var asked = Observed(AskAsync(name));
        _entries[name] = new Entry(now, asked);
        return await asked.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    // Whoever waits for it may have gone when it fails; then nobody is left to see it, and an unseen failure would end the host.
    private static Task<T> Observed<T>(Task<T> task)
    {
        _ = task.ContinueWith(
            static t => _ = t.Exception,
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        return task;
    }

    private async Task<string[]?> AskAsync(ClusterName name)
    {
        using var timeout = new CancellationTokenSource(options.ControllerTimeout, time);
        try
        {
            var answer = cluster.GetGrain<ICertificateGrain>(GrainKeys.Certificate(name)).ReadTxt(name, timeout.Token);
            return await Observed(answer).WaitAsync(timeout.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException || CallFailed.IsUnknownOutcome(e))
        {
            LogAway(logger, name, e.GetType().Name);
            return null;
        }
        finally
        {
            Interlocked.Decrement(ref _asking);
        }
    }

    private sealed record Entry(long Since, Task<string[]?> Values);

    [LoggerMessage(EventId = 8001, Level = LogLevel.Warning, Message = "No answer about {Cluster} from the controller ({Cause}); answering SERVFAIL")]
    private static partial void LogAway(ILogger logger, ClusterName cluster, string cause);
}
