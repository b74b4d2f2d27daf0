using Microsoft.Extensions.Logging;

namespace Plane.Grains.Storage.Postgres;

/// <summary>
/// Lets statements through to the database, and none but a probe while it is away, so that callers are told at once instead of each waiting for a time-out of
/// its own, and so that what waits is bounded.
/// <list type="number">
/// <item>The database counts as away when a statement could not be carried out for want of it: refused or broken connections, a server that stops. A statement
/// that took too long says so only if nothing else succeeded since it began: one that waits for a lock is no outage.</item>
/// <item>It also counts as away when statements have been under way for <see cref="s_stall"/> and none succeeded in that time: a server that hangs refuses nothing.</item>
/// <item>While it is away one statement at a time goes through as the probe, after a pause that grows to a second and is jittered. The first success opens the
/// gate.</item>
/// </list>
/// </summary>
internal sealed partial class PostgresGate(TimeProvider time, ILogger logger)
{
    // Far beyond what 40 connections work off in a second: callers that come on top are better told to ask again.
    private const int MaxUnderWay = 2_000;

    private static readonly TimeSpan s_stall = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private int _underWay;
    private long _busySince;
    private long _succeeded = time.GetTimestamp();
    private bool _away;
    private long _awaySince;
    private long _retryAt;
    private TimeSpan _pause = s_firstPause;
    private bool _probing;

    /// <summary>Begins a statement.</summary>
    /// <exception cref="StoreUnavailableException">Not now.</exception>
    public Pass Enter()
    {
        lock (_lock)
        {
            var now = time.GetTimestamp();
            if (!_away && _underWay > 0 && time.GetElapsedTime(Math.Max(_busySince, _succeeded), now) > s_stall)
            {
                CountAway(now, "nothing that was asked has been answered for some time");
            }

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

            return new Pass(this, now, _away);
        }
    }

    private void Leave(Pass pass, bool answered, string? failure, bool tookTooLong)
    {
        lock (_lock)
        {
            var now = time.GetTimestamp();
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
                    LogBack(time.GetElapsedTime(_awaySince, now).TotalSeconds);
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

        _retryAt = now + (long)(_pause.TotalSeconds * (0.5 + (Random.Shared.NextDouble() / 2)) * time.TimestampFrequency);
        _pause = _pause * 2 < s_longestPause ? _pause * 2 : s_longestPause;
    }

    [LoggerMessage(EventId = 2240, Level = LogLevel.Warning, Message = "the database is away: {Reason}; callers are told to ask again until it answers")]
    private partial void LogAway(string reason);

    [LoggerMessage(EventId = 2241, Level = LogLevel.Information, Message = "the database answers again, after {Seconds:0.0} s")]
    private partial void LogBack(double seconds);

    /// <summary>One statement's way through; left once, by one of the three.</summary>
    internal sealed class Pass(PostgresGate gate, long begun, bool isProbe)
    {
        public long Begun => begun;

        public bool IsProbe => isProbe;

        /// <summary>The database said something, be it an error.</summary>
        public void Answered() => gate.Leave(this, answered: true, null, false);

        /// <summary>The database could not be reached, or took too long.</summary>
        public void Failed(string reason, bool tookTooLong) => gate.Leave(this, answered: false, reason, tookTooLong);

        /// <summary>Says nothing about the database.</summary>
        public void Left() => gate.Leave(this, answered: false, null, false);
    }
}
