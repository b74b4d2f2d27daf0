using Orleans.Contract;

namespace Orleans.Calls;

/// <summary>Who carries a pending call, and hears that nobody waits for it any more.</summary>
internal interface ICallOwner
{
    /// <summary>The call timed out, or its caller cancelled it.</summary>
    void Abandoned(PendingCall call, bool cancelled);

    /// <summary>Words for the message of a time-out.</summary>
    string Circumstances(PendingCall call);
}

/// <summary>
/// A call as its caller sees it: one task that ends exactly once, by the answer, the response time-out, the caller's token or a broken connection, whichever
/// comes first. What comes later is dropped.
/// </summary>
internal abstract class PendingCall(MethodModel method, string key, TimeSpan timeout, CancellationToken cancellation)
{
    private ITimer? _timer;
    private CancellationTokenRegistration _registration;
    private int _done;

    public MethodModel Method { get; } = method;

    public string Key { get; } = key;

    public TimeSpan Timeout { get; } = timeout;

    public CancellationToken Cancellation { get; } = cancellation;

    /// <summary>Set once, before <see cref="Arm"/>.</summary>
    public ICallOwner? Owner { get; set; }

    /// <summary>What the owner keeps with the call.</summary>
    public object? Tag { get; set; }

    public bool IsDone => Volatile.Read(ref _done) != 0;

    /// <summary>Starts the clock and listens to the caller's token.</summary>
    public void Arm(TimeProvider time)
    {
        var timer = time.CreateTimer(static state => ((PendingCall)state!).TimeOut(), this, Timeout, System.Threading.Timeout.InfiniteTimeSpan);
        _timer = timer;
        if (IsDone)
        {
            timer.Dispose();
        }

        if (Cancellation.CanBeCanceled)
        {
            _registration = Cancellation.UnsafeRegister(static state => ((PendingCall)state!).Cancel(), this);
            if (IsDone)
            {
                _registration.Unregister();
            }
        }
    }

    public void Fail(Exception e)
    {
        if (TryEnd())
        {
            SetException(e);
        }
    }

    protected bool TryEnd()
    {
        if (Interlocked.Exchange(ref _done, 1) != 0)
        {
            return false;
        }

        _timer?.Dispose();
        _registration.Unregister();
        return true;
    }

    protected abstract void SetException(Exception e);

    protected abstract void SetCanceled();

    private void TimeOut()
    {
        if (TryEnd())
        {
            Owner?.Abandoned(this, cancelled: false);
            SetException(new TimeoutException($"no answer to {Method} within {Timeout}{Owner?.Circumstances(this)}"));
        }
    }

    private void Cancel()
    {
        if (TryEnd())
        {
            Owner?.Abandoned(this, cancelled: true);
            SetCanceled();
        }
    }
}

/// <summary>A call with its result's type.</summary>
internal sealed class PendingCall<T>(MethodModel<T> method, string key, TimeSpan timeout, CancellationToken cancellation)
    : PendingCall(method, key, timeout, cancellation)
{
    // Continuations never run on the thread that reads the wire or ends a grain's turn.
    private readonly TaskCompletionSource<T> _source = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<T> Task => _source.Task;

    public new MethodModel<T> Method => (MethodModel<T>)base.Method;

    public void Complete(T result)
    {
        if (TryEnd())
        {
            _source.TrySetResult(result);
        }
    }

    protected override void SetException(Exception e) => _source.TrySetException(e);

    protected override void SetCanceled() => _source.TrySetCanceled(Cancellation);
}
