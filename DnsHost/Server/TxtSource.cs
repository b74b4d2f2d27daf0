using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Plane.DnsHost.Protocol;
using Plane.Hosting.Cluster;

namespace Plane.DnsHost.Server;

/// <summary>
/// The clusters' TXT values, kept for a second. One call at a time asks for a cluster; questions that come meanwhile
/// wait for it. The names kept are bounded: questions come from anywhere; so are the questions to the controller under
/// way.
/// </summary>
internal sealed partial class TxtSource
{
    /// <summary>
    /// The most questions to the controller at a time. Enough for every cluster that orders certificates; beyond it the
    /// questions are a flood of invented names, which must not become a flood of statements.
    /// </summary>
    internal const int MaxAsking = 256;

    /// <summary>The most names kept.</summary>
    internal const int MaxEntries = 10_000;

    private static readonly Task<TxtAnswer?> s_none = Task.FromResult<TxtAnswer?>(null);

    private readonly ConcurrentDictionary<byte[], Entry> _entries = new(new LabelsComparer());
    private readonly ConcurrentDictionary<byte[], Entry>.AlternateLookup<ReadOnlySpan<byte>> _lookup;
    private readonly Lock _clearing = new();
    private readonly ClusterConnection _cluster;
    private readonly DnsOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<TxtSource> _logger;
    private int _asking;
    private int _kept;

    public TxtSource(ClusterConnection cluster, DnsOptions options, TimeProvider time, ILogger<TxtSource> logger)
    {
        _cluster = cluster;
        _options = options;
        _time = time;
        _logger = logger;
        _lookup = _entries.GetAlternateLookup<ReadOnlySpan<byte>>();
    }

    /// <summary>
    /// Whether labels in wire form and lower case could be a cluster's name, as <see cref="ClusterName"/> has it.
    /// </summary>
    public static bool IsCluster(ReadOnlySpan<byte> labels)
    {
        if (labels.IsEmpty)
        {
            return false;
        }

        while (!labels.IsEmpty)
        {
            var label = labels.Slice(1, labels[0]);
            if (label[0] == '-' || label[^1] == '-')
            {
                return false;
            }

            foreach (var b in label)
            {
                if (b is not ((>= (byte)'a' and <= (byte)'z') or (>= (byte)'0' and <= (byte)'9') or (byte)'-'))
                {
                    return false;
                }
            }

            labels = labels[(1 + label.Length)..];
        }

        return true;
    }

    /// <summary>
    /// The values of a cluster, or null where the controller did not answer in time or too many questions to it are
    /// under way.
    /// </summary>
    /// <param name="labels">The cluster's labels in wire form and lower case.</param>
    public Task<TxtAnswer?> Read(ReadOnlySpan<byte> labels)
    {
        var now = _time.GetTimestamp();
        if (_lookup.TryGetValue(labels, out var entry) && (!entry.Answer.IsCompleted || _time.GetElapsedTime(entry.Since, now) <= _options.CacheFor))
        {
            return entry.Answer;
        }

        // Not kept: the next question for the name is to be answered as soon as there is room.
        if (Interlocked.Increment(ref _asking) > MaxAsking)
        {
            Interlocked.Decrement(ref _asking);
            return s_none;
        }

        var key = labels.ToArray();
        var asked = AskAsync(ClusterName.Parse(new DomainName([.. key, 0]).ToString().TrimEnd('.')));
        if (!_entries.ContainsKey(key) && Interlocked.Increment(ref _kept) > MaxEntries)
        {
            // A second's worth: to forget all costs one question to the controller for each name that is asked for
            // again.
            lock (_clearing)
            {
                if (Volatile.Read(ref _kept) > MaxEntries)
                {
                    _entries.Clear();
                    Volatile.Write(ref _kept, 1);
                }
            }
        }

        _entries[key] = new Entry(now, asked);
        return asked;
    }

    private async Task<TxtAnswer?> AskAsync(ClusterName name)
    {
        using var timeout = new CancellationTokenSource(_options.ControllerTimeout, _time);
        try
        {
            var answer = _cluster.GetGrain<ICertificateGrain>(GrainKeys.Certificate(name)).ReadTxt(name, timeout.Token);
            return new TxtAnswer(await answer.WaitAsync(timeout.Token));
        }
        catch (Exception e) when (e is OperationCanceledException || CallFailed.IsUnknownOutcome(e))
        {
            LogUnavailable(_logger, name, CallFailed.Reason(e));
            return null;
        }
        catch (Exception e)
        {
            LogNotAnswered(_logger, name, e);
            return null;
        }
        finally
        {
            Interlocked.Decrement(ref _asking);
        }
    }

    private sealed record Entry(long Since, Task<TxtAnswer?> Answer);

    [LoggerMessage(EventId = EventIds.TxtSourceAway, Level = LogLevel.Warning, Message = "No answer about {Cluster} from the controller ({Cause}); answering SERVFAIL")]
    private static partial void LogUnavailable(ILogger logger, ClusterName cluster, string cause);

    [LoggerMessage(EventId = EventIds.TxtSourceNotAnswered, Level = LogLevel.Error, Message = "The controller could not answer about {Cluster}; answering SERVFAIL")]
    private static partial void LogNotAnswered(ILogger logger, ClusterName cluster, Exception exception);
}
