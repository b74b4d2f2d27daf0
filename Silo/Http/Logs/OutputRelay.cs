using Microsoft.Extensions.Logging;
using Plane.Hosting;
using Plane.Storage;

namespace Plane.Silo.Http.Logs;

/// <summary>
/// Follows one backend's output for all who follow it at this controller: one call to its drone at a time, however many they are, into a ring that each reads at its own pace. What the drone could not say for a
/// while (it restarts, a gateway is lost) is asked for again from the last line.
/// </summary>
internal sealed partial class OutputRelay : IAsyncDisposable
{
    private const int RingCharacters = 512 * 1024;

    private static readonly TimeSpan s_wait = TimeSpan.FromSeconds(5);

    // A page has up to 128 Ki characters: no more than some MB a second come of one backend, which a person can't read, over a connection that leases are renewed on.
    private static readonly TimeSpan s_betweenPages = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_notBegun = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_givesUpAfter = TimeSpan.FromSeconds(20);

    private readonly DroneOutput _drones;
    private readonly IBackendStore _store;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _pump;

    public OutputRelay(DroneOutput drones, IBackendStore store, BackendDetails backend, long after, TimeProvider time, ILogger logger)
    {
        (_drones, _store, _time, _logger, Ring) = (drones, store, time, logger, new OutputRing(after, RingCharacters));
        _pump = Task.Run(() => RunAsync(backend, after));
    }

    /// <summary>The lines.</summary>
    public OutputRing Ring { get; }

    /// <summary>How many follow. Written under the lock of the one who counts.</summary>
    public int Followers { get; set; }

    /// <summary>Why the lines ended before the output did; null where they did not.</summary>
    public string? Problem { get; private set; }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _pump;
        _stopping.Dispose();
    }

    private async Task RunAsync(BackendDetails backend, long after)
    {
        try
        {
            await PumpAsync(backend, new OutputCursor(after), _stopping.Token);
        }
        catch (Exception e) when (!_stopping.IsCancellationRequested)
        {
            LogFailed(_logger, backend.BackendId, e);
            Problem = "reading the output failed; retry. The controller's log has the reason";
        }
        catch (Exception) when (_stopping.IsCancellationRequested)
        {
            // The relay is stopped: the failure follows from that.
            Problem = null;
        }

        Ring.Complete();
    }

    private async Task PumpAsync(BackendDetails backend, OutputCursor cursor, CancellationToken cancellationToken)
    {
        var backoff = new Backoff(TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(2), _time);
        var answered = _time.GetTimestamp();
        while (true)
        {
            try
            {
                var page = await _drones.ReadAsync(backend, r => r with { After = cursor, Wait = s_wait }, cancellationToken);
                answered = _time.GetTimestamp();
                backoff.Reset();
                foreach (var line in page.Lines)
                {
                    Ring.Add(line);
                }

                cursor = page.IsKnown ? page.Cursor : cursor;
                if (page is { IsKnown: true, IsComplete: true } || (!page.IsKnown && await HasEndedAsync(backend, cancellationToken)))
                {
                    return;
                }

                await Task.Delay(page.IsKnown ? s_betweenPages : s_notBegun, _time, cancellationToken);
            }
            catch (Exception e) when (e is OutputUnavailableException or StoreUnavailableException)
            {
                if (_time.GetElapsedTime(answered) > s_givesUpAfter && e is OutputUnavailableException && await HasEndedAsync(backend, cancellationToken))
                {
                    Problem = e.Message;
                    return;
                }

                LogNoAnswer(_logger, backend.BackendId, e.Message);
                await backoff.WaitAsync(cancellationToken);
            }
        }
    }

    private async Task<bool> HasEndedAsync(BackendDetails backend, CancellationToken cancellationToken)
    {
        try
        {
            return await _store.ReadBackendAsync(backend.BackendId, cancellationToken) is not { Status: < BackendStatus.Terminated };
        }
        catch (StoreUnavailableException)
        {
            return false;
        }
    }

    [LoggerMessage(EventIds.OutputRelayNoAnswer, LogLevel.Debug, "The output of backend {Backend} could not be read: {Reason}. The controller retries")]
    private static partial void LogNoAnswer(ILogger logger, BackendName backend, string reason);

    [LoggerMessage(EventIds.OutputRelayFailed, LogLevel.Error, "Following the output of backend {Backend} failed")]
    private static partial void LogFailed(ILogger logger, BackendName backend, Exception exception);
}
