using Microsoft.Extensions.Logging;
using Polly;

namespace Plane.Storage;

/// <summary>
/// Decides whether the database serves connects, and logs it: the cause at once, once a minute while it lasts, and the end.
/// <list type="number">
/// <item>A statement that failed for want of the database is a suspicion, no more: it may have failed for a reason of its own, as a lock on one row. Unless it is
/// sure that every other one fails alike, as on a full disk: then the outage has begun.</item>
/// <item>The store's probe decides: it does what a connect needs, so it also fails where reads succeed and writes do not.</item>
/// <item>While it fails it is repeated, after jittered pauses that grow to a second. Its first success ends the outage.</item>
/// <item>A probe that throws is logged and counts as one that failed: nothing else would find the end of an outage, so it must not end with one.</item>
/// </list>
/// Nothing else ends an outage, so the log does not alternate between statements that fail and others that succeed.
/// </summary>
internal sealed partial class StoreOutage : IAsyncDisposable
{
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_lately = TimeSpan.FromSeconds(10);

    private readonly Func<CancellationToken, Task<StoreFault?>> _probe;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly PacedLog _paced;
    private readonly PacedLog _threw;
    private readonly ResiliencePipeline<StoreFault?> _probes;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private bool _suspected;
    private bool _running;
    private Task _loop = Task.CompletedTask;
    private volatile StoreFault? _current;
    private long _since;
    private long? _probedAt;

    /// <param name="probe">Does what a connect needs; answers what keeps it from that, or null.</param>
    /// <param name="time">For all times.</param>
    /// <param name="logger">Where outages are logged.</param>
    /// <param name="onFault">Called with what the probe has found, once that is logged and known.</param>
    public StoreOutage(Func<CancellationToken, Task<StoreFault?>> probe, TimeProvider time, ILogger logger, Action<StoreFault>? onFault = null)
    {
        _probe = probe;
        _time = time;
        _logger = logger;
        _paced = new PacedLog(time);
        _threw = new PacedLog(time);
        _probes = Retries.Until<StoreFault?>(TimeSpan.FromMilliseconds(100), s_longestPause, time, probe => probe is { Exception: null, Result: not null }, probe =>
        {
            lock (_lock)
            {
                Report(probe.Result!);
            }

            onFault?.Invoke(probe.Result!);
        });
    }

    /// <summary>What keeps the database from serving connects now, or null.</summary>
    public StoreFault? Current => _current;

    /// <summary>Has the probe run soon, unless it does already.</summary>
    /// <param name="fault">What no other statement could have met otherwise, so that the outage has begun already; null where the probe decides.</param>
    public void Suspect(StoreFault? fault = null)
    {
        lock (_lock)
        {
            _suspected = true;
            if (fault is not null && _current is null && !_stop.IsCancellationRequested)
            {
                Report(fault);
            }

            if (_running || _stop.IsCancellationRequested)
            {
                return;
            }

            // The context of the caller that happened to fail (its grain, its trace) is not the loop's.
            using (ExecutionContext.SuppressFlow())
            {
                _running = true;
                _loop = Task.Run(RunAsync);
            }
        }
    }

    /// <summary>
    /// Fails if there is an outage. For one who asks whether connects would succeed; so that a disk is found to be full before the first of them fails, the probe runs,
    /// unless it did lately.
    /// </summary>
    /// <exception cref="StoreUnavailableException">The cause.</exception>
    public void ThrowIfUnavailable()
    {
        if (_current is { } fault)
        {
            throw new StoreUnavailableException(fault.Reason);
        }

        bool isDue;
        lock (_lock)
        {
            isDue = _probedAt is not { } at || _time.GetElapsedTime(at) > s_lately;
        }

        if (isDue)
        {
            Suspect();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Task loop;
        lock (_lock)
        {
            _stop.Cancel();
            loop = _loop;
        }

        await loop;
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                lock (_lock)
                {
                    if (!_suspected)
                    {
                        _running = false;
                        return;
                    }

                    _suspected = false;
                    _probedAt = _time.GetTimestamp();
                }

                await UntilAvailableAsync(_stop.Token);

                // However many statements fail each for a reason of its own, the probe costs the database little.
                await Task.Delay(s_longestPause, _time, _stop.Token);
            }
        }
        catch (Exception) when (_stop.IsCancellationRequested)
        {
            LogStopped();
        }
    }

    private async Task UntilAvailableAsync(CancellationToken cancellationToken)
    {
        await _probes.ExecuteAsync(async c => await ProbeAsync(c), cancellationToken);
        _threw.End();
        lock (_lock)
        {
            _current = null;
            if (_paced.End())
            {
                var lasted = _time.GetElapsedTime(_since);
                LogOver(lasted.TotalSeconds);
            }
        }
    }

    private async Task<StoreFault?> ProbeAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _probe(cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            if (_threw.IsDue())
            {
                LogProbeThrew(e);
            }

            // Not total: were the probe itself at fault, it would keep statements from a database that serves them.
            return new StoreFault("whether the database serves connects could not be found out, for a reason that was not foreseen; the controller's log has more", IsTotal: false);
        }
    }

    private void Report(StoreFault fault)
    {
        if (_current is null)
        {
            _since = _time.GetTimestamp();
            LogBegun(fault.Reason);
            _paced.IsDue();
        }
        else if (_paced.IsDue())
        {
            var lasted = _time.GetElapsedTime(_since);
            LogLasts(lasted.TotalSeconds, fault.Reason);
        }

        _current = fault;
    }

    [LoggerMessage(EventId = EventIds.StoreOutageBegun, Level = LogLevel.Warning, Message = "The database is unavailable: {Reason}")]
    private partial void LogBegun(string reason);

    [LoggerMessage(EventId = EventIds.StoreOutageLasts, Level = LogLevel.Warning, Message = "The database has been unavailable for {Seconds:0} s: {Reason}")]
    private partial void LogLasts(double seconds, string reason);

    [LoggerMessage(EventId = EventIds.StoreOutageOver, Level = LogLevel.Information, Message = "The database is available again, after {Seconds:0.0} s.")]
    private partial void LogOver(double seconds);

    [LoggerMessage(EventId = EventIds.StoreOutageProbeThrew, Level = LogLevel.Error, Message = "The database could not be probed, for a reason that was not foreseen; it is probed again.")]
    private partial void LogProbeThrew(Exception error);

    [LoggerMessage(EventId = EventIds.StoreOutageStopped, Level = LogLevel.Debug, Message = "The database is not watched any more: the store is closed.")]
    private partial void LogStopped();
}
