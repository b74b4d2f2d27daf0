using Orleans.Runtime;

namespace Orleans.Activations;

/// <summary>A grain's timer. A tick is a turn of the activation; the next one is set when that turn has ended.</summary>
internal sealed class GrainTimer : Invocation, IGrainTimer
{
    private readonly Lock _gate = new();
    private readonly Activation _activation;
    private readonly Func<CancellationToken, Task> _callback;
    private readonly GrainTimerCreationOptions _options;
    private readonly CancellationTokenSource _ended = new();
    private readonly ITimer _timer;
    private TimeSpan _period;
    private bool _ticking;
    private bool _changed;
    private bool _disposed;
    private TimeSpan _due;

    public GrainTimer(Activation activation, TimeProvider time, Func<CancellationToken, Task> callback, GrainTimerCreationOptions options)
    {
        Check(options.DueTime, nameof(options.DueTime));
        Check(options.Period, nameof(options.Period));
        _activation = activation;
        _callback = callback;
        _options = options;
        _period = options.Period;
        _timer = time.CreateTimer(static state => ((GrainTimer)state!).Tick(), this, options.DueTime, Timeout.InfiniteTimeSpan);
    }

    public override bool Interleaves => _options.Interleave;

    public override bool IsUse => _options.KeepAlive;

    public override bool IsAbandoned => Volatile.Read(ref _disposed);

    public void Change(TimeSpan dueTime, TimeSpan period)
    {
        Check(dueTime, nameof(dueTime));
        Check(period, nameof(period));
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _period = period;
            if (_ticking)
            {
                _changed = true;
                _due = dueTime;
            }
            else
            {
                _timer.Change(dueTime, Timeout.InfiniteTimeSpan);
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
        }

        _timer.Dispose();
        _ended.Cancel();
        _activation.Forget(this);
    }

    public override Task Run(Grain grain) => _callback(_ended.Token);

    public override void Complete(Task task)
    {
        if (task.Exception is { } e && !IsAbandoned)
        {
            _activation.TimerFailed(e.InnerException!);
        }

        Rearm();
    }

    /// <summary>A tick that the activation didn't take (it ends): the timer ends with it.</summary>
    public override void Reject(Exception e) => Dispose();

    private static void Check(TimeSpan value, string name)
    {
        if (value < TimeSpan.Zero && value != Timeout.InfiniteTimeSpan)
        {
            throw new ArgumentOutOfRangeException(name, value, "neither negative nor infinite");
        }
    }

    private void Tick()
    {
        lock (_gate)
        {
            if (_disposed || _ticking)
            {
                return;
            }

            _ticking = true;
        }

        if (!_activation.TryEnqueue(this))
        {
            Dispose();
        }
    }

    private void Rearm()
    {
        lock (_gate)
        {
            _ticking = false;
            if (!_disposed)
            {
                var next = _changed ? _due : _period;
                _changed = false;
                _timer.Change(next, Timeout.InfiniteTimeSpan);
            }
        }
    }
}
