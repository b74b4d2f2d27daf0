using Microsoft.Extensions.DependencyInjection;
using Orleans.Calls;
using Orleans.Contract;
using Orleans.Runtime;

namespace Orleans.Activations;

/// <summary>
/// One activation of a grain: its instance, its queue of turns and its life, <c>New → Activating → Active → Deactivating → Ended</c>. All fields below the gate
/// are guarded by it; grain code runs only on the scheduler, never under the gate.
/// <para>A turn starts at once if nothing else runs, if it interleaves, or if only interleaving turns run; else it waits in order. Turns that arrive before the
/// activation is active wait too. What arrives while it ends waits for the end and goes to the next activation, so that there is never more than one.</para>
/// </summary>
internal sealed partial class Activation(SiloRuntime silo, GrainClass grainClass, string key) : IGrainContext
{
    [ThreadStatic]
    private static Activation? _beingMade;

    private readonly Lock _gate = new();
    private readonly TurnScheduler _scheduler = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Queue<Invocation> _waiting = new();

    /// <summary>Turns that interleave, which came before the activation was active: the only time that they wait.</summary>
    private readonly Queue<Invocation> _early = new();
    private readonly HashSet<Invocation> _running = [];
    private readonly HashSet<GrainTimer> _timers = [];
    private State _state;
    private Invocation? _exclusive;
    private DeactivationReason? _endOnceActive;
    private long _lastUsed;
    private Grain? _grain;
    private AsyncServiceScope? _scope;

    private enum State
    {
        New,
        Activating,
        Active,
        Deactivating,
        Ended,
    }

    /// <summary>The activation whose instance this thread is constructing.</summary>
    public static Activation? BeingMade => _beingMade;

    public GrainClass Class => grainClass;

    public string Key => key;

    public IServiceProvider ActivationServices => _scope?.ServiceProvider ?? throw new InvalidOperationException("the activation has ended");

    public Task Deactivated => _ended.Task;

    /// <summary>Takes a turn into the queue, or starts it. False: the activation has ended, another must be asked for.</summary>
    public bool TryEnqueue(Invocation invocation)
    {
        var activate = false;
        lock (_gate)
        {
            if (_state == State.Ended || (_state == State.Deactivating && invocation is GrainTimer))
            {
                return false;
            }

            if (invocation.IsUse)
            {
                _lastUsed = silo.Time.GetTimestamp();
            }

            invocation.Activation = this;
            if (_state != State.Active || !MayStart(invocation))
            {
                (Interleaves(invocation) ? _early : _waiting).Enqueue(invocation);
                activate = _state == State.New;
                if (activate)
                {
                    _state = State.Activating;
                }
                else
                {
                    return true;
                }
            }
            else
            {
                Started(invocation);
            }
        }

        if (activate)
        {
            Schedule(static state => ((Activation)state!).Activate(), this);
        }
        else
        {
            Schedule(static state => Begin((Invocation)state!), invocation);
        }

        return true;
    }

    public void Deactivate(DeactivationReason deactivationReason, CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            switch (_state)
            {
                case State.New:
                    _state = State.Ended;
                    _ended.TrySetResult();
                    return;
                case State.Activating:
                    _endOnceActive ??= deactivationReason;
                    return;
                case State.Active:
                    _state = State.Deactivating;
                    if (_running.Count == 0)
                    {
                        _drained.TrySetResult();
                    }

                    break;
                default:
                    return;
            }
        }

        // Off the scheduler: the caller may be the very turn that has to end first.
        silo.Own(Task.Run(() => EndAsync(deactivationReason, cancellationToken), CancellationToken.None));
    }

    /// <summary>Ends the activation if it has not been used for so long.</summary>
    public void CollectIfIdle(TimeSpan age)
    {
        lock (_gate)
        {
            if (_state != State.Active || _running.Count > 0 || silo.Time.GetElapsedTime(_lastUsed) < age)
            {
                return;
            }
        }

        Deactivate(new DeactivationReason(DeactivationReasonCode.ActivationIdle, $"not used for {age}"));
    }

    /// <summary>Signals the tokens of the running calls: the silo stops and has waited long enough.</summary>
    public void CancelRunning()
    {
        foreach (var invocation in Snapshot())
        {
            invocation.CancelRunning();
        }
    }

    /// <summary>Ends without a word to the grain, as a crash would.</summary>
    public void Kill()
    {
        Invocation[] lost;
        GrainTimer[] timers;
        lock (_gate)
        {
            _state = State.Ended;
            lost = [.. _running, .. _early, .. _waiting];
            timers = [.. _timers];
            _early.Clear();
            _waiting.Clear();
        }

        foreach (var timer in timers)
        {
            timer.Dispose();
        }

        foreach (var invocation in lost)
        {
            invocation.Reject(new SiloUnavailableException("the silo was killed"));
        }

        _ended.TrySetResult();
    }

    public GrainTimer AddTimer(Func<CancellationToken, Task> callback, GrainTimerCreationOptions options)
    {
        var timer = new GrainTimer(this, silo.Time, callback, options);
        bool ends;
        lock (_gate)
        {
            ends = _state is State.Deactivating or State.Ended;
            if (!ends)
            {
                _timers.Add(timer);
            }
        }

        if (ends)
        {
            timer.Dispose();
        }

        return timer;
    }

    public void Forget(GrainTimer timer)
    {
        lock (_gate)
        {
            _timers.Remove(timer);
        }
    }

    public void TimerFailed(Exception e) => LogTimerFailed(silo.Log, e, grainClass, key);

    /// <summary>What the caller of a call that timed out may want to know.</summary>
    public string Circumstances(Invocation invocation)
    {
        lock (_gate)
        {
            return _running.Contains(invocation) ? $": {this} is at it"
                : _exclusive is CallInvocation busy ? $": {this} is busy with {busy.Method}"
                : $": {this} is {_state}";
        }
    }

    public override string ToString() => $"{grainClass}/{key}";

    /// <summary>Runs within the activation's turns. The context of whoever sent the call stays outside: a grain is not part of its caller.</summary>
    private void Schedule(Action<object?> action, object state)
    {
        Task task;
        if (ExecutionContext.IsFlowSuppressed())
        {
            task = new Task(action, state);
        }
        else
        {
            using (ExecutionContext.SuppressFlow())
            {
                task = new Task(action, state);
            }
        }

        task.Start(_scheduler);
    }

    private static void Begin(Invocation invocation)
    {
        var activation = invocation.Activation!;
        if (invocation.IsAbandoned)
        {
            activation.Ended(invocation);
            return;
        }

        Task task;
        try
        {
            task = invocation.Run(activation._grain!) ?? Task.CompletedTask;
        }
#pragma warning disable CA1031 // Whatever the grain throws before its first await is the outcome of the call.
        catch (Exception e)
#pragma warning restore CA1031
        {
            task = Task.FromException(e);
        }

        if (task.IsCompleted)
        {
            activation.Finish(invocation, task);
        }
        else
        {
            // The awaiter captures the scheduler: finishing is part of the turn.
            task.GetAwaiter().UnsafeOnCompleted(() => activation.Finish(invocation, task));
        }
    }

    private void Finish(Invocation invocation, Task task)
    {
        try
        {
            invocation.Complete(task);
        }
#pragma warning disable CA1031 // A result that can't be handed over must not leave the activation blocked for ever.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogCompletionFailed(silo.Log, e, grainClass, key);
            invocation.Reject(new OrleansException($"the answer of {this} could not be handed over: {e.Message}"));
        }

        Ended(invocation);
    }

    private void Ended(Invocation invocation)
    {
        List<Invocation>? next = null;
        lock (_gate)
        {
            _running.Remove(invocation);
            if (_exclusive == invocation)
            {
                _exclusive = null;
            }

            if (invocation.IsUse)
            {
                _lastUsed = silo.Time.GetTimestamp();
            }

            if (_state == State.Active)
            {
                next = StartWaiting();
            }
            else if (_state == State.Deactivating && _running.Count == 0)
            {
                _drained.TrySetResult();
            }
        }

        Begin(next);
    }

    private bool Interleaves(Invocation invocation) => grainClass.IsReentrant || invocation.Interleaves;

    private bool MayStart(Invocation invocation) => Interleaves(invocation) || (_exclusive is null && _waiting.Count == 0);

    private void Started(Invocation invocation)
    {
        _running.Add(invocation);
        if (!Interleaves(invocation))
        {
            _exclusive = invocation;
        }
    }

    /// <summary>Under the gate: what may start now.</summary>
    private List<Invocation>? StartWaiting()
    {
        List<Invocation>? next = null;
        while (_early.TryDequeue(out var interleaving))
        {
            Started(interleaving);
            (next ??= []).Add(interleaving);
        }

        if (_exclusive is null && _waiting.TryDequeue(out var head))
        {
            Started(head);
            (next ??= []).Add(head);
        }

        return next;
    }

    private void Begin(List<Invocation>? invocations)
    {
        foreach (var invocation in invocations ?? [])
        {
            Schedule(static state => Begin((Invocation)state!), invocation);
        }
    }

    private void Activate() => silo.Own(ActivateAsync());

    private async Task ActivateAsync()
    {
        try
        {
            var scope = silo.Services.CreateAsyncScope();
            _scope = scope;
            _beingMade = this;
            try
            {
                _grain = grainClass.Create(scope.ServiceProvider);
            }
            finally
            {
                _beingMade = null;
            }

            using var patience = new CancellationTokenSource(silo.Collection.ActivationTimeout, silo.Time);
            await _grain.OnActivateAsync(patience.Token).WaitAsync(silo.Collection.ActivationTimeout, silo.Time);
        }
#pragma warning disable CA1031 // Whatever stops a grain from activating fails the calls that wait for it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogActivationFailed(silo.Log, Told.Unforeseen(e), grainClass, key, e.Message);
            await FailAsync(e);
            return;
        }

        List<Invocation>? next;
        DeactivationReason? ends;
        lock (_gate)
        {
            if (_state != State.Activating)
            {
                return;
            }

            _state = State.Active;
            _lastUsed = silo.Time.GetTimestamp();
            next = StartWaiting();
            ends = _endOnceActive;
        }

        Begin(next);
        if (ends is { } reason)
        {
            Deactivate(reason);
        }
    }

    private async Task FailAsync(Exception e)
    {
        silo.Remove(this);
        var waiting = End();
        foreach (var invocation in waiting)
        {
            invocation.Reject(e);
        }

        await DisposeScopeAsync();
        _ended.TrySetResult();
    }

    /// <summary>Waits for the running turns, tells the grain, and sends what arrived meanwhile to the next activation.</summary>
    private async Task EndAsync(DeactivationReason reason, CancellationToken hurry)
    {
        using var patience = new CancellationTokenSource(silo.Collection.DeactivationTimeout, silo.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, hurry);
        try
        {
            DisposeTimers();
            await _drained.Task.WaitAsync(either.Token);
        }
        catch (OperationCanceledException)
        {
            LogStillBusy(silo.Log, grainClass, key);
        }

        try
        {
            var told = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Schedule(_ => silo.Own(TellAsync(reason, told, either.Token)), this);
            await told.Task.WaitAsync(either.Token);
        }
#pragma warning disable CA1031 // A grain that fails to say goodbye is gone all the same.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogDeactivationFailed(silo.Log, e, grainClass, key);
        }

        silo.Remove(this);
        var late = End();
        await DisposeScopeAsync();
        foreach (var invocation in late)
        {
            silo.Dispatch(invocation);
        }

        _ended.TrySetResult();
    }

    private async Task TellAsync(DeactivationReason reason, TaskCompletionSource told, CancellationToken cancellation)
    {
        try
        {
            await _grain!.OnDeactivateAsync(reason, cancellation);
            told.TrySetResult();
        }
#pragma warning disable CA1031 // Handed to the one who waits.
        catch (Exception e)
#pragma warning restore CA1031
        {
            told.TrySetException(e);
        }
    }

    private Invocation[] End()
    {
        DisposeTimers();
        lock (_gate)
        {
            _state = State.Ended;
            Invocation[] waiting = [.. _early.Concat(_waiting).Where(i => i is not GrainTimer)];
            _early.Clear();
            _waiting.Clear();
            return waiting;
        }
    }

    private void DisposeTimers()
    {
        GrainTimer[] timers;
        lock (_gate)
        {
            timers = [.. _timers];
        }

        foreach (var timer in timers)
        {
            timer.Dispose();
        }
    }

    private async Task DisposeScopeAsync()
    {
        try
        {
            if (_grain is IAsyncDisposable asynchronous)
            {
                await asynchronous.DisposeAsync();
            }
            else if (_grain is IDisposable disposable)
            {
                disposable.Dispose();
            }

            if (_scope is { } scope)
            {
                await scope.DisposeAsync();
            }
        }
#pragma warning disable CA1031 // The activation is over; what its services throw at the end is told and no more.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogDeactivationFailed(silo.Log, e, grainClass, key);
        }
    }

    private Invocation[] Snapshot()
    {
        lock (_gate)
        {
            return [.. _running];
        }
    }
}
