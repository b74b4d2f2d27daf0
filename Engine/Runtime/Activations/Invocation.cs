using Orleans.Calls;
using Orleans.Contract;
using Orleans.Runtime;

namespace Orleans.Activations;

/// <summary>A turn to take on an activation: a call from this process, a call from the wire, or a timer's tick.</summary>
internal abstract class Invocation
{
    /// <summary>Set when an activation takes the turn into its queue.</summary>
    public Activation? Activation { get; set; }

    /// <summary>Whether the turn may start while another is under way.</summary>
    public abstract bool Interleaves { get; }

    /// <summary>Whether the turn counts as use of the activation.</summary>
    public virtual bool IsUse => true;

    /// <summary>Whether nobody waits for the answer any more: it is dropped instead of run.</summary>
    public virtual bool IsAbandoned => false;

    /// <summary>Starts the turn, on the activation's scheduler. What it throws counts as the task's failure.</summary>
    public abstract Task Run(Grain grain);

    /// <summary>Hands over the outcome, still within the turn, so that a result is copied before the grain can go on changing it.</summary>
    public abstract void Complete(Task task);

    /// <summary>Ends a call that was not run.</summary>
    public abstract void Reject(Exception e);

    /// <summary>The silo is stopping and has no more time.</summary>
    public virtual void CancelRunning()
    {
    }
}

/// <summary>A call, wherever it comes from.</summary>
#pragma warning disable CA1001 // A token source without a timer holds nothing that needs to be disposed of, and the grain may keep its token.
internal abstract class CallInvocation(MethodModel method, string key, object?[] arguments) : Invocation
#pragma warning restore CA1001
{
    private CancellationTokenSource? _cancellation;
    private bool _cancelled;
    private volatile bool _silosWish;

    public MethodModel Method { get; } = method;

    public string Key { get; } = key;

    public override bool Interleaves => Method.IsAlwaysInterleave;

    /// <summary>The caller gave up, or the silo stops: signals the token of the method, if it takes one.</summary>
    public void Cancel()
    {
        CancellationTokenSource? running;
        lock (this)
        {
            _cancelled = true;
            running = _cancellation;
        }

        // CancelAsync: the grain's registrations run on the pool, not on the thread that reads the wire.
        running?.CancelAsync();
    }

    public override void CancelRunning()
    {
        _silosWish = true;
        Cancel();
    }

    /// <summary>Why a task failed. A method whose token was signalled because the silo stops did not end by its caller's wish: its outcome is unknown.</summary>
    protected Exception FailureOf(Task task)
    {
        var e = task.Exception?.InnerException ?? new OperationCanceledException();
        return e is OperationCanceledException && _silosWish ? new SiloUnavailableException("the silo stops, or has lost its lock on the database", e) : e;
    }

    public override Task Run(Grain grain)
    {
        var token = CancellationToken.None;
        if (Method.TakesCancellation)
        {
            lock (this)
            {
                if (_cancelled)
                {
                    return Task.FromCanceled(new CancellationToken(true));
                }

                _cancellation = new CancellationTokenSource();
                token = _cancellation.Token;
            }
        }

        return Method.Invoke(grain, arguments, token);
    }
}

/// <summary>A call from this process.</summary>
internal sealed class LocalInvocation<T>(PendingCall<T> call, object?[] arguments, bool copies, bool cancelsOnTimeout)
    : CallInvocation(call.Method, call.Key, arguments), ICallOwner
{
    public override bool IsAbandoned => call.IsDone;

    public override void Complete(Task task)
    {
        if (task.IsCompletedSuccessfully)
        {
            try
            {
                call.Complete(copies ? call.Method.CopyResult(task) : MethodModel<T>.ResultOf(task));
            }
            catch (Exception e) when (ExceptionWire.IsBadMessage(e))
            {
                call.Fail(new OrleansMessageRejectionException($"the result of {Method} can't travel: {e.Message}", e));
            }
        }
        else
        {
            Reject(FailureOf(task));
        }
    }

    public override void Reject(Exception e) => call.Fail(copies ? ExceptionWire.Copy(e) : e);

    public void Abandoned(PendingCall call, bool cancelled)
    {
        if (cancelled || cancelsOnTimeout)
        {
            Cancel();
        }
    }

    public string Circumstances(PendingCall call) => Activation?.Circumstances(this) ?? "";
}

/// <summary>A one-way call from this process: its failure is logged, since nobody else hears of it.</summary>
internal sealed class OneWayInvocation(MethodModel method, string key, object?[] arguments, Action<MethodModel, Exception> failed) : CallInvocation(method, key, arguments)
{
    public override void Complete(Task task)
    {
        if (task.Exception is { } e)
        {
            failed(Method, e.InnerException!);
        }
    }

    public override void Reject(Exception e) => failed(Method, e);
}
