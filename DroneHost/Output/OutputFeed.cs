using Microsoft.Extensions.Logging;
using Plane.DroneHost.Runtimes.Output;
using Plane.DroneHost.Runtimes;
using Plane.Hosting;

namespace Plane.DroneHost.Output;

/// <summary>
/// Follows the output of one backend for all who read it: one reading of the engine or the file, into a ring, however many controllers and users read. It ends when there was no reader for a while, and
/// begins again where a reader's position is.
/// </summary>
internal sealed partial class OutputFeed : IAsyncDisposable
{
    private const int RingCharacters = 256 * 1024;

    private static readonly TimeSpan s_retryFirst = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_retryLast = TimeSpan.FromSeconds(3);

    private readonly OutputRing _ring;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Task _pump;
    private long _readAt;
    private volatile bool _isUnknown;
    private bool _isDisposed;

    public OutputFeed(IContainerRuntime runtime, BackendIdentity backend, long after, TimeProvider time, ILogger logger)
    {
        (Begin, _ring, _time, _logger) = (after, new OutputRing(after, RingCharacters), time, logger);
        _readAt = time.GetTimestamp();
        _pump = Task.Run(() => PumpAsync(runtime, backend));
    }

    /// <summary>Its number: a reader's sequence means something in the feed that gave it alone.</summary>
    public long Number { get; } = Random.Shared.NextInt64(1, long.MaxValue);

    /// <summary>The position that it began after.</summary>
    public long Begin { get; }

    /// <summary>How long there was no reader.</summary>
    public TimeSpan Idle => _time.GetElapsedTime(Volatile.Read(ref _readAt));

    /// <summary>Whether it can continue for a reader: it has all lines after the reader's, or knows how many it has not.</summary>
    public bool Serves(OutputCursor cursor) => cursor.Feed == Number || cursor.Position >= Begin;

    /// <summary>Lines after a cursor; waits for one.</summary>
    public async Task<OutputPage> ReadAsync(OutputCursor cursor, int most, TimeSpan wait, CancellationToken cancellationToken)
    {
        Volatile.Write(ref _readAt, _time.GetTimestamp());
        var known = cursor.Feed == Number ? cursor.Sequence : _ring.NumberAt(cursor.Position);
        var batch = _ring.Read(known ?? _ring.Oldest, most, out var changed);
        if (batch is { Lines.Length: 0, IsComplete: false } && wait > TimeSpan.Zero)
        {
            await Task.WhenAny(changed, Task.Delay(wait, _time, cancellationToken));
            batch = _ring.Read(known ?? _ring.Oldest, most, out _);
        }

        // A reader that comes with lines which this feed has not reached yet gets them no second time.
        var lines = Array.FindAll(batch.Lines, l => l.Position > cursor.Position);
        if (known is null && lines.Length > 0)
        {
            lines[0] = lines[0] with { Dropped = -1 };
        }

        Volatile.Write(ref _readAt, _time.GetTimestamp());
        return new OutputPage
        {
            IsKnown = !_isUnknown,
            Lines = lines,
            Cursor = new OutputCursor(lines.Length > 0 ? lines[^1].Position : cursor.Position, Number, batch.Sequence),
            IsComplete = batch.IsComplete,
        };
    }

    public async ValueTask DisposeAsync()
    {
        // By each of several readers that find it of no use.
        if (!Interlocked.Exchange(ref _isDisposed, true))
        {
            await _stopping.CancelAsync();
            await _pump;
            _stopping.Dispose();
        }
    }

    private async Task PumpAsync(IContainerRuntime runtime, BackendIdentity backend)
    {
        var backoff = new Backoff(s_retryFirst, s_retryLast, _time);
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                if (await runtime.ReadOutputAsync(backend, new OutputSelection { After = _ring.End, Follow = true }, _stopping.Token) is not { } lines)
                {
                    // Not yet, most likely: it is being started.
                    _isUnknown = _ring.End == Begin;
                    break;
                }

                await foreach (var line in lines.WithCancellation(_stopping.Token))
                {
                    _ring.Add(line);
                    backoff.Reset();
                }

                break;
            }
            catch (Exception) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is RuntimeUnavailableException or RuntimeFailureException or IOException or UnauthorizedAccessException or OperationCanceledException)
            {
                LogBroken(_logger, backend.Backend, e.Message);
                await Task.WhenAny(Task.Delay(backoff.Next(), _time, _stopping.Token));
            }
        }

        _ring.Complete();
    }

    [LoggerMessage(EventIds.OutputFeedBroken, LogLevel.Information, "The output of backend {Backend} could not be read: {Reason}. The drone retries from the last line")]
    private static partial void LogBroken(ILogger logger, BackendName backend, string reason);
}
