using Microsoft.Extensions.Logging;
using Npgsql;

namespace Plane.Grains.Storage.Postgres;

/// <summary>
/// Lets statements through to the database, and none but a probe while it is away, so that callers are told at once instead of each waiting for a time-out of
/// its own, and so that what waits is bounded.
/// <list type="number">
/// <item>The database counts as away when a statement could not be carried out for want of it: refused or broken connections, a server that stops. A statement
/// that took too long says so only if nothing else succeeded since it began: one that waits for a lock is no outage.</item>
/// <item>A server that hangs refuses nothing. So when statements have been under way for <see cref="s_stall"/> and none succeeded in that time, it is asked for
/// a sign of life by a connection of its own; without one the database counts as away, and those who wait are told as well. Their statements go on, and their
/// outcome is unknown.</item>
/// <item>While it is away one statement at a time goes through as the probe, after a pause that grows to a second and is jittered. The first success opens the
/// gate.</item>
/// </list>
/// </summary>
internal sealed partial class PostgresGate : IDisposable
{
    // Far beyond what 40 connections work off in a second: callers that come on top are better told to ask again.
    private const int MaxUnderWay = 2_000;

    private static readonly TimeSpan s_stall = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_signOfLife = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(1);

    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Func<Task> _ask;
    private readonly ITimer _watch;
    private readonly Lock _lock = new();
    private TaskCompletionSource _stalled = NewSignal();
    private bool _watching;
    private Task _asking = Task.CompletedTask;
    private int _underWay;
    private long _busySince;
    private long _succeeded;
    private bool _away;
    private long _awaySince;
    private long _retryAt;
    private TimeSpan _pause = s_firstPause;
    private bool _probing;

    /// <param name="ask">Has the server say something, over no connection that statements use.</param>
    /// <param name="time">For all times.</param>
    /// <param name="logger">Where outages are logged.</param>
    public PostgresGate(Func<Task> ask, TimeProvider time, ILogger logger)
    {
        _ask = ask;
        _time = time;
        _logger = logger;
        _succeeded = time.GetTimestamp();
        _watch = time.CreateTimer(static gate => ((PostgresGate)gate!).Watch(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Begins a statement.</summary>
    /// <exception cref="StoreUnavailableException">Not now.</exception>
    public Pass Enter()
    {
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            if (_away && (_probing || now < _retryAt))
            {
                throw new StoreUnavailableException("the database is away");
            }

            if (_underWay >= MaxUnderWay)
            {
                throw new StoreUnavailableException("the database does not keep up with what is asked of it");
            }

            _probing |= _away;
            if (_underWay++ == 0)
            {
                _busySince = now;
            }

            if (!_watching)
            {
                // One firing in so many seconds, and none while nothing is asked.
                _watching = true;
                _watch.Change(s_stall, Timeout.InfiniteTimeSpan);
            }

            return new Pass(this, now, _away, _stalled.Task);
        }
    }

    public void Dispose() => _watch.Dispose();

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Watch()
    {
        lock (_lock)
        {
            _watching = _underWay > 0;
            if (!_watching)
            {
                return;
            }

            var quiet = _time.GetElapsedTime(Math.Max(_busySince, _succeeded));
            if (quiet >= s_stall && _asking.IsCompleted)
            {
                _asking = AskAsync();
            }

            _watch.Change(s_stall, Timeout.InfiniteTimeSpan);
        }
    }

    private async Task AskAsync()
    {
        var asked = Task.Run(_ask);
        try
        {
            await asked.WaitAsync(s_signOfLife, _time);
            Lives();
        }
        catch (PostgresException e) when (!e.SqlState.StartsWith("57", StringComparison.Ordinal))
        {
            // It has no connection to spare, say; but it said so.
            Lives();
        }
        catch (Exception e) when (e is TimeoutException || PostgresErrors.IsUnavailable(e))
        {
            TaskCompletionSource stalled;
            lock (_lock)
            {
                CountAway(_time.GetTimestamp(), "it does not answer");
                stalled = _stalled;
                _stalled = NewSignal();
            }

            stalled.TrySetResult();

            // Not asked again before this question has ended, however it does.
            await asked.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
    }

    // What takes long waits for something else.
    private void Lives()
    {
        lock (_lock)
        {
            _succeeded = _time.GetTimestamp();
        }
    }

    private void Leave(Pass pass, bool answered, string? failure, bool tookTooLong)
    {
        lock (_lock)
        {
            if (!pass.TryLeave())
            {
                return;
            }

            var now = _time.GetTimestamp();
            _underWay--;
            if (pass.IsProbe)
            {
                _probing = false;
            }

            if (answered)
            {
                _succeeded = now;
                if (_away)
                {
                    _away = false;
                    _pause = s_firstPause;
                    var away = _time.GetElapsedTime(_awaySince, now);
                    LogBack(away.TotalSeconds);
                }
            }
            else if (failure is not null && (!tookTooLong || _succeeded < pass.Begun))
            {
                CountAway(now, failure);
            }
        }
    }

    private void CountAway(long now, string reason)
    {
        if (!_away)
        {
            _away = true;
            _awaySince = now;
            LogAway(reason);
        }

        _retryAt = now + (long)(_pause.TotalSeconds * (0.5 + (Random.Shared.NextDouble() / 2)) * _time.TimestampFrequency);
        _pause = _pause * 2 < s_longestPause ? _pause * 2 : s_longestPause;
    }

    [LoggerMessage(EventId = 2240, Level = LogLevel.Warning, Message = "the database is away: {Reason}; callers are told to ask again until it answers")]
    private partial void LogAway(string reason);

    [LoggerMessage(EventId = 2241, Level = LogLevel.Information, Message = "the database answers again, after {Seconds:0.0} s")]
    private partial void LogBack(double seconds);

    /// <summary>One statement's way through; left by the first of the three.</summary>
    internal sealed class Pass(PostgresGate gate, long begun, bool isProbe, Task stalled)
    {
        private bool _left;

        public long Begun => begun;

        public bool IsProbe => isProbe;

        /// <summary>Completes when the server is found to hang while this waits.</summary>
        public Task Stalled => stalled;

        /// <summary>The database said something, be it an error.</summary>
        public void Answered() => gate.Leave(this, answered: true, null, false);

        /// <summary>The database could not be reached, or took too long.</summary>
        public void Failed(string reason, bool tookTooLong) => gate.Leave(this, answered: false, reason, tookTooLong);

        /// <summary>Says nothing about the database.</summary>
        public void Left() => gate.Leave(this, answered: false, null, false);

        /// <summary>Whether it had not been left; under the gate's lock.</summary>
        public bool TryLeave() => !_left && (_left = true);
    }
}
