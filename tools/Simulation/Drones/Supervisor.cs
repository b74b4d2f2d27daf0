using Plane.DroneHost.Leases;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Supervision;
using Plane.Simulation.Core;
using Plane.Simulation.Judging;

namespace Plane.Simulation.Drones;

/// <summary>One backend's life on a drone: mirrors <c>BackendSupervisor</c>, around the same <see cref="BackendLease"/> and <see cref="TerminationSignals"/>.</summary>
internal sealed class Supervisor
{
    private const long KillConfirm = 2_000;

    private readonly World _world;
    private readonly Machine _machine;
    private readonly Agent _agent;
    private readonly KnownBackend _row;
    private readonly TerminationSignals _signals = new();
    private readonly Gate _wake;
    private RuntimeCall? _underWay;
    private Container? _found;
    private bool _wasFound;
    private bool _started;
    private bool _hasPid;
    private bool _askedToStop;
    private long? _stopAt;

    public Supervisor(World world, Machine machine, Agent agent, KnownBackend row)
    {
        _world = world;
        _machine = machine;
        _agent = agent;
        _row = row;
        _wake = new Gate(world.Scheduler);
        Lease = new BackendLease(row.Identity, row.Deadlines, row.Refused, machine.State.InstanceId, machine);
        if (row.EndReason == TerminationReason.KeyExpired)
        {
            Lease.Abandon();
        }

        Claimed();
    }

    public BackendIdentity Identity => _row.Identity;

    public BackendLease Lease { get; }

    public bool IsGone { get; private set; }

    public bool IsRunning => _started && !_signals.Exit.IsCompleted && !IsGone;

    public long WakeAt { get; private set; } = long.MinValue;

    private ContainerRuntime Runtime => _machine.Runtime;

    public void Ask(TerminationKind kind, TerminationReason reason)
    {
        _signals.RequestTermination(new TerminationCause(kind, reason));
        Look(_machine.Milliseconds);
    }

    /// <summary>Takes in that it was claimed, where the row says so.</summary>
    public void Claimed()
    {
        if (_row.Claim is { Token: var token })
        {
            Lease.Claim(new FencingToken(token));
            _wake.Pulse();
        }
    }

    public void Exited(int? code)
    {
        _signals.OnExited(new BackendExit(Identity, code, null));
        _wake.Pulse();
    }

    public void Vanished()
    {
        _signals.RequestTermination(new TerminationCause(TerminationKind.Hard, TerminationReason.InternalError));
        _signals.OnExited(new BackendExit(Identity, null, null));
        _wake.Pulse();
    }

    /// <summary>The first listing's answer.</summary>
    public void Found(Container? container)
    {
        _found = container;
        _wasFound = true;
        _wake.Pulse();
    }

    /// <summary>Mirrors <c>BackendSupervisor.Look</c>.</summary>
    public void Look(long now)
    {
        if (now >= Lease.HardAt)
        {
            Lease.Abandon();
            _signals.RequestTermination(new TerminationCause(TerminationKind.Hard, TerminationReason.KeyExpired));
        }
        else if (!Lease.IsRenewable(now))
        {
            Lease.Abandon();
            _signals.RequestTermination(new TerminationCause(TerminationKind.Soft, TerminationReason.KeyExpired));
        }

        if (_stopAt is { } stopAt && now >= stopAt)
        {
            _signals.KillNow();
        }

        var next = _signals.Kill.IsCompleted ? long.MaxValue : Math.Min(Lease.HardAt, _stopAt ?? long.MaxValue);
        WakeAt = Math.Min(next, Lease.GivesUpAt);
        _wake.Pulse();
        _agent.LookSoon();
    }

    /// <summary>What the guard and the next agent go by.</summary>
    public void StoreLease()
    {
        _row.Deadlines = Lease.Deadlines;
        _row.Refused |= Lease.IsRefused;
        if (!IsGone && _machine.Run.Leases.ContainsKey(Identity))
        {
            _machine.Run.Leases[Identity] = Lease.Deadlines;
            _machine.Guard?.FileChanged();
        }
    }

    public IEnumerator<Wait> Lead(bool isNew)
    {
        Look(_machine.Milliseconds);
        var bringUp = new Store.Box<bool> { Value = true };
        if (!isNew)
        {
            yield return Wait.Run(Adopt(bringUp));
        }

        if (bringUp.Value)
        {
            yield return Wait.Run(BringUp());
        }

        while (!_signals.HasEnded)
        {
            yield return Wait.On(_wake);
        }

        yield return Wait.Run(End());
        _agent.Forget(this);
    }

    private IEnumerator<Wait> Adopt(Store.Box<bool> bringUp)
    {
        if (_row.HasPid && _row.Deadlines.BootId == _machine.BootId)
        {
            _started = _hasPid = true;
        }

        if (_row is { EndReason: { } reason, EndKind: { } kind })
        {
            _signals.RequestTermination(new TerminationCause(kind, reason));
        }

        if (_machine.Run.Ended.Contains(Identity))
        {
            Lease.Abandon();
            _signals.RequestTermination(new TerminationCause(TerminationKind.Hard, TerminationReason.KeyExpired));
        }

        while (!_wasFound && !_signals.HasEnded)
        {
            yield return Wait.On(_wake);
        }

        bringUp.Value = false;
        if (!_wasFound)
        {
            yield break;
        }

        switch (_found)
        {
            case { State: FoundState.Running }:
                _started = _hasPid = true;
                bringUp.Value = true;
                _world.Coverage.Count(Seen.Adopted);
                _world.Tell(_machine.Name, $"{Identity.Backend} is adopted");
                yield return Wait.For(_world.Disk());
                WriteLease();
                break;
            case { State: FoundState.Exited }:
                _world.Coverage.Count(Seen.AdoptedOther);
                _signals.OnExited(new BackendExit(Identity, 1, null));
                break;
            case null when _row.Status > BackendStatus.Starting:
                _world.Coverage.Count(Seen.AdoptedOther);
                Vanished();
                break;
            default:
                // Its spawn was taken and nothing was started: what was created is removed, then it goes on.
                _world.Coverage.Count(Seen.AdoptedOther);
                _started = _hasPid = false;
                if (!_signals.HasEnded)
                {
                    yield return Wait.Run(Do(Verb.Remove, new Store.Box<RuntimeCall?>()));
                }

                bringUp.Value = true;
                break;
        }
    }

    private IEnumerator<Wait> BringUp()
    {
        if (!_started)
        {
            yield return Wait.Run(Start());
        }

        if (!_started || _signals.HasEnded || _row.Status >= BackendStatus.Terminating)
        {
            yield break;
        }

        yield return Wait.Run(Record(BackendStatus.Waiting, null));
        if (_row.Status < BackendStatus.Ready)
        {
            while (!_signals.HasEnded && Runtime.Find(Identity) is { } c && _world.Now < c.AnswersAt)
            {
                yield return Wait.On(_wake, c.AnswersAt - _world.Now);
            }

            if (!_signals.HasEnded && _world.Store.IsInPool(_row.Key))
            {
                yield return Wait.Run(BecomeClaimed());
            }

            if (!_signals.HasEnded)
            {
                yield return Wait.Run(Record(BackendStatus.Ready, null));
            }
        }
    }

    /// <summary>Mirrors <c>BecomeClaimedAsync</c>.</summary>
    private IEnumerator<Wait> BecomeClaimed()
    {
        if (_row.Claim is null)
        {
            yield return Wait.For(_world.Disk());
            _machine.State.Post(Identity, BackendStatus.Waiting, null, isWarm: true);
            _agent.OutboxGrew();
        }

        if (_world.Has(Bug.ReadyBeforeClaim))
        {
            yield break;
        }

        while (_row.Claim is null && !_signals.HasEnded)
        {
            yield return Wait.On(_wake);
        }

        // The call: it may be answered late, and the agent may die before it sees the answer.
        var until = _world.Now + _world.Prng.Between(1, _world.Prng.Percent(10) ? 1_900 : 30);
        while (!_signals.HasEnded && _world.Now < until)
        {
            yield return Wait.On(_wake, until - _world.Now);
        }

        if (_signals.HasEnded || _row.Claim is not var (key, token))
        {
            yield break;
        }

        if (Runtime.Find(Identity) is { State: FoundState.Running } container)
        {
            _world.Judge.Told(container, key, token);
        }

        // The moment between the request and its record on the agent's disk is short, so the fault aims at it.
        if (!_world.IsCalm && _world.Prng.Percent(3))
        {
            _machine.CrashAgent(_world.Prng.Between(50, 20_000));
        }

        // Its answer.
        yield return Wait.For(_world.Prng.Between(0, _world.Prng.Percent(15) ? 1_900 : 20));
        if (_world.Prng.Percent(8))
        {
            _world.Coverage.Count(Seen.ClaimRefused);
            _signals.RequestTermination(new TerminationCause(TerminationKind.Hard, TerminationReason.InternalError));
        }
    }

    /// <summary>State file → lease file → create → look → start → pid into the lease file.</summary>
    private IEnumerator<Wait> Start()
    {
        if (_signals.HasEnded)
        {
            yield break;
        }

        yield return Wait.Run(Record(BackendStatus.Loading, null));
        var loaded = _world.Now + _world.Prng.Between(0, _world.Prng.Percent(10) ? 30_000 : 400);
        while (!_signals.HasEnded && _world.Now < loaded)
        {
            yield return Wait.On(_wake, loaded - _world.Now);
        }

        if (_signals.HasEnded)
        {
            yield break;
        }

        yield return Wait.Run(Record(BackendStatus.Starting, null));
        yield return Wait.For(_world.Disk());
        WriteLease();
        var mayStart = MayStart();
        var call = new Store.Box<RuntimeCall?>();
        var blind = _world.Has(Bug.LookThenStart) && mayStart;
        if (blind)
        {
            yield return Wait.Step;
        }

        yield return Wait.Run(Do(Verb.Create, call, whatever: blind));
        if (call.Value is null)
        {
            yield break;
        }

        if (call.Value.Refused)
        {
            // A container of this name, left by an agent that died: it goes, and this start with it.
            _signals.RequestTermination(new TerminationCause(TerminationKind.Hard, TerminationReason.InternalError));
            yield break;
        }

        yield return Wait.Step;
        if (!_world.Has(Bug.LookThenStart))
        {
            mayStart = MayStart();
        }

        if (!mayStart)
        {
            _world.Coverage.Count(Seen.StartRefused);
            _signals.RequestTermination(new TerminationCause(TerminationKind.Soft, TerminationReason.KeyExpired));
            yield break;
        }

        // A stall between the look and the start is harmless: the guard has removed the container.
        yield return Wait.Step;
        yield return Wait.Run(Do(Verb.Start, call, whatever: blind));
        if (call.Value is { Succeeded: true })
        {
            _started = _hasPid = true;
            yield return Wait.For(_world.Disk());
            _row.HasPid = true;
        }
        else if (call.Value is not null)
        {
            _signals.RequestTermination(new TerminationCause(TerminationKind.Hard, TerminationReason.InternalError));
        }
    }

    private bool MayStart() => !_signals.HasEnded && Lease.AllowsStart && (_world.Has(Bug.LookThenStart) || !_machine.Run.Ended.Contains(Identity));

    /// <summary>Mirrors <c>StepAsync</c>: until it is done, or the backend is to end; a call that is cut stays under way, and is waited for before anything is said to be over.</summary>
    private IEnumerator<Wait> Do(Verb verb, Store.Box<RuntimeCall?> result, bool whatever = false)
    {
        result.Value = null;
        var since = _world.Now;
        while (whatever || !_signals.HasEnded)
        {
            var call = Runtime.Ask(verb, Identity, _row.Key, _machine.State.InstanceId, _wake);
            while (!call.IsOver && (whatever || !_signals.HasEnded))
            {
                yield return Wait.On(_wake);
            }

            if (!call.IsOver)
            {
                _underWay = call;
                yield break;
            }

            if (call.Succeeded || call.Refused)
            {
                result.Value = call;
                yield break;
            }

            if (_world.Now - since > 60_000)
            {
                _signals.RequestTermination(new TerminationCause(TerminationKind.Hard, TerminationReason.InternalError));
                yield break;
            }

            yield return Wait.For(_world.Prng.Between(100, 2_000));
        }
    }

    // ---- the end ----

    private IEnumerator<Wait> End()
    {
        if (_signals.Cause?.Reason == TerminationReason.KeyExpired)
        {
            _world.Coverage.Count(Seen.KeyExpired);
        }

        if (_started && !_signals.Exit.IsCompleted)
        {
            if (!_signals.Kill.IsCompleted)
            {
                yield return Wait.Run(Stop());
            }

            if (!_signals.Exit.IsCompleted)
            {
                yield return Wait.Run(Kill());
            }
        }

        if (!_world.Has(Bug.TerminatedTooEarly))
        {
            yield return Wait.Run(MakeSureGone());
        }

        IsGone = true;
        yield return Wait.Run(Record(BackendStatus.Terminated, _signals.Cause?.Reason));
        yield return Wait.For(_world.Disk());
        _machine.Run.Leases.Remove(Identity);
    }

    private IEnumerator<Wait> Stop()
    {
        var now = _machine.Milliseconds;
        var stopAt = _row.StopAt is { } stored && _row.StopBoot == _machine.BootId ? stored : now + (long)_world.Numbers.Grace.TotalMilliseconds;
        _row.StopAt = stopAt;
        _row.StopBoot = _machine.BootId;
        _row.EndKind ??= _signals.Cause?.Kind;
        _row.EndReason ??= _signals.Cause?.Reason;
        var recording = Record(BackendStatus.Terminating, _signals.Cause?.Reason);
        _agent.Start(recording);
        _stopAt = stopAt;
        Look(now);
        while (!_signals.Exit.IsCompleted && !_signals.Kill.IsCompleted)
        {
            if (!_askedToStop)
            {
                var call = Runtime.Ask(Verb.Signal, Identity, 0, "", _wake);
                while (!call.IsOver && !_signals.Exit.IsCompleted && !_signals.Kill.IsCompleted)
                {
                    yield return Wait.On(_wake);
                }

                _askedToStop = call.Succeeded || !call.IsOver;
                if (!call.Succeeded && !_signals.Exit.IsCompleted && !_signals.Kill.IsCompleted)
                {
                    yield return Wait.On(_wake, 500);
                }
            }
            else
            {
                yield return Wait.On(_wake);
            }
        }
    }

    private IEnumerator<Wait> Kill()
    {
        _world.Coverage.Count(Seen.AgentKill);
        _world.Tell(_machine.Name, $"agent kills {Identity.Backend}: {_signals.Cause?.Reason}");
        if (_machine.Milliseconds >= Lease.HardAt && _signals.Cause?.Reason == TerminationReason.KeyExpired && !_askedToStop
            && Runtime.Find(Identity) is { State: FoundState.Running, WasAsked: false } c)
        {
            // Had it all the time since the soft deadline to ask?
            var soft = Lease.SoftAt == long.MinValue ? long.MaxValue : _machine.TrueTimeOf(Lease.SoftAt) - 1_000;
            if (Math.Max(_machine.AgentProcess.TroubleUntil, Runtime.TroubleUntil) < soft && soft > 0 && !_world.Settings.SlowRuntime)
            {
                _world.Judge.KilledUnasked(c);
            }
        }

        _agent.Start(Record(BackendStatus.HardTerminating, _signals.Cause?.Reason));
        var call = Runtime.Ask(Verb.Kill, Identity, 0, "", _wake);
        var until = _world.Now + KillConfirm;
        while (!_signals.Exit.IsCompleted && _world.Now < until && !(call.IsOver && !call.Succeeded))
        {
            yield return Wait.On(_wake, until - _world.Now);
        }

        if (!_signals.Exit.IsCompleted && _hasPid)
        {
            Runtime.KillDirectly(Identity);
        }
    }

    /// <summary>Until the runtime says that nothing runs, and no start is under way that could change it.</summary>
    private IEnumerator<Wait> MakeSureGone()
    {
        var limit = KillConfirm;
        while (true)
        {
            var quiet = _underWay is null or { IsOver: true };
            var call = Runtime.Ask(Verb.Remove, Identity, 0, "", null);
            yield return Wait.On(call.Done, limit);
            if (call.Succeeded && quiet)
            {
                yield break;
            }

            if (!call.Succeeded && _hasPid)
            {
                Runtime.KillDirectly(Identity);
            }

            limit = 10_000;
            yield return Wait.For(_world.Prng.Between(100, 2_000));
        }
    }

    private IEnumerator<Wait> Record(BackendStatus status, TerminationReason? reason)
    {
        yield return Wait.For(_world.Disk());
        if (status <= _row.Status)
        {
            yield break;
        }

        _row.Status = status;
        _machine.State.Post(Identity, status, reason);
        if (status == BackendStatus.Terminated)
        {
            _world.Tell(_machine.Name, $"{Identity.Backend} is over: {reason}");
            _world.Judge.SaidToBeOver(Identity);
        }

        _agent.OutboxGrew();
    }

    private void WriteLease()
    {
        _machine.Run.Leases[Identity] = Lease.Deadlines;
        _machine.Guard?.FileChanged();
    }
}
