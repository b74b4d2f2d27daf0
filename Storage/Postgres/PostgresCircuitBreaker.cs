namespace Plane.Storage.Postgres;

/// <summary>
/// Lets statements through to the database, and none while no statement can succeed, so that callers are refused at once instead of each waiting for a time-out of
/// its own, and so that what waits is bounded. Whether the database is unavailable, <see cref="StoreOutage"/> decides.
/// <para>
/// A server that hangs refuses nothing. So when statements have been under way for <see cref="s_stall"/> and none succeeded in that time, it is suspected; and when it
/// is found to hang those who wait are refused as well. Their statements continue, and their outcome is unknown.
/// </para>
/// </summary>
internal sealed class PostgresCircuitBreaker : IDisposable
{
    // Far beyond what 40 connections work off in a second: callers that come on top had better try again later.
    private const int MaxUnderWay = 2_000;

    private static readonly TimeSpan s_stall = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_silence = TimeSpan.FromMilliseconds(100);

    private readonly StoreOutage _outage;
    private readonly TimeProvider _time;
    private readonly ITimer _watch;
    private readonly Lock _lock = new();
    private TaskCompletionSource<string> _stalled = NewSignal();
    private bool _watching;
    private int _underWay;
    private long _busySince;
    private long _succeeded;

    /// <param name="outage">Decides whether the database is unavailable.</param>
    /// <param name="time">For all times.</param>
    public PostgresCircuitBreaker(StoreOutage outage, TimeProvider time)
    {
        _outage = outage;
        _time = time;
        _succeeded = time.GetTimestamp();
        _watch = time.CreateTimer(static gate => ((PostgresCircuitBreaker)gate!).Watch(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Begins a statement.</summary>
    /// <exception cref="StoreUnavailableException">Not now.</exception>
    public Permit Enter()
    {
        if (_outage.Current is { IsTotal: true } fault)
        {
            throw new StoreUnavailableException(fault.Reason);
        }

        lock (_lock)
        {
            if (_underWay >= MaxUnderWay)
            {
                throw new StoreUnavailableException($"{MaxUnderWay} statements are waiting for the database: it is too slow for what is asked of it");
            }

            if (_underWay++ == 0)
            {
                _busySince = _time.GetTimestamp();
            }

            if (!_watching)
            {
                // One firing in so many seconds, and none while nothing is asked.
                _watching = true;
                _watch.Change(s_stall, Timeout.InfiniteTimeSpan);
            }

            return new Permit(this, _stalled.Task);
        }
    }

    /// <summary>Whether the database has answered a statement since a moment.</summary>
    public bool HasSucceededSince(long timestamp)
    {
        lock (_lock)
        {
            return _succeeded >= timestamp;
        }
    }

    /// <summary>Whether statements are under way and none was answered for a moment.</summary>
    public bool IsSilent
    {
        get
        {
            lock (_lock)
            {
                return _underWay > 0 && _time.GetElapsedTime(Math.Max(_busySince, _succeeded)) >= s_silence;
            }
        }
    }

    /// <summary>Refuses those who wait.</summary>
    /// <param name="reason">Why.</param>
    public void RefuseWaiting(string reason)
    {
        TaskCompletionSource<string> stalled;
        lock (_lock)
        {
            stalled = _stalled;
            _stalled = NewSignal();
        }

        stalled.TrySetResult(reason);
    }

    public void Dispose() => _watch.Dispose();

    private static TaskCompletionSource<string> NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Watch()
    {
        bool stalls;
        lock (_lock)
        {
            _watching = _underWay > 0;
            if (!_watching)
            {
                return;
            }

            stalls = _time.GetElapsedTime(Math.Max(_busySince, _succeeded)) >= s_stall;
            _watch.Change(s_stall, Timeout.InfiniteTimeSpan);
        }

        if (stalls)
        {
            _outage.Suspect();
        }
    }

    private void Leave(Permit permit, bool answered)
    {
        lock (_lock)
        {
            if (!permit.TryLeave())
            {
                return;
            }

            _underWay--;
            if (answered)
            {
                _succeeded = _time.GetTimestamp();
            }
        }
    }

    /// <summary>One statement's way through; left by the first of the two.</summary>
    internal sealed class Permit(PostgresCircuitBreaker gate, Task<string> stalled)
    {
        private bool _left;

        /// <summary>Completes, with the reason, when the server is found to hang while this waits.</summary>
        public Task<string> Stalled => stalled;

        /// <summary>The database answered, if only by an error.</summary>
        public void Answered() => gate.Leave(this, answered: true);

        /// <summary>It did not.</summary>
        public void Left() => gate.Leave(this, answered: false);

        /// <summary>Whether it had not been left; under the gate's lock.</summary>
        public bool TryLeave() => !_left && (_left = true);
    }
}
