using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Orleans;

namespace Plane.Dns.Server;

/// <summary>
/// The clusters' TXT values, kept for a second. One call at a time asks for a cluster; everybody who asks meanwhile waits for it. The names kept are bounded:
/// questions come from anywhere.
/// </summary>
internal sealed partial class TxtSource(IClusterClient cluster, DnsOptions options, TimeProvider time, ILogger<TxtSource> logger)
{
    private const int MaxEntries = 10_000;

    private readonly ConcurrentDictionary<ClusterName, Entry> _entries = new();

    /// <summary>The values, or null where the controller did not answer in time.</summary>
    public async ValueTask<string[]?> ReadAsync(ClusterName name, CancellationToken cancellationToken)
    {
        var now = time.GetTimestamp();
        if (_entries.TryGetValue(name, out var entry) && (!entry.Values.IsCompleted || time.GetElapsedTime(entry.Since, now) <= options.CacheFor))
        {
            return await entry.Values.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        if (_entries.Count >= MaxEntries)
        {
            _entries.Clear();
        }

        var asked = AskAsync(name);
        _entries[name] = new Entry(now, asked);
        return await asked.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task<string[]?> AskAsync(ClusterName name)
    {
        using var timeout = new CancellationTokenSource(options.ControllerTimeout, time);
        try
        {
            return await cluster.GetGrain<ICertificateGrain>(name.Value).ReadTxt(timeout.Token).WaitAsync(timeout.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException || CallFailed.IsUnknownOutcome(e))
        {
            LogAway(logger, name, e.GetType().Name);
            return null;
        }
    }

    private sealed record Entry(long Since, Task<string[]?> Values);

    [LoggerMessage(EventId = 5001, Level = LogLevel.Warning, Message = "No answer about {Cluster} from the controller ({Cause}); answering SERVFAIL")]
    private static partial void LogAway(ILogger logger, ClusterName cluster, string cause);
}
