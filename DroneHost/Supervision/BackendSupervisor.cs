using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Plane.DroneHost.Leases;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.State;

namespace Plane.DroneHost.Supervision;

/// <summary>
/// One backend's life on this drone. A single task (<see cref="RunAsync"/>) leads it:
/// <para>
/// <c>loading</c> (what it needs is brought) → <c>starting</c> (port and state durable; created, last look, started) → <c>waiting</c> (probed; a warm one until it is claimed) → <c>ready</c> →
/// <c>terminating</c> (stop signal, grace) → <c>hard-terminating</c> (kill, and a kill of the processes themselves where the runtime is slow) → <c>terminated</c>.
/// </para>
/// <para>
/// Whatever can end it (an order, a refused renewal, a deadline, an exit, a failure) arrives in <see cref="TerminationSignals"/>, from any thread and at any step. A step
/// under way is then cancelled, and the end begins at the state that the life had: what was not started yet is only made sure of, what runs is stopped or killed.
/// <c>terminated</c> is recorded only after the runtime has said that nothing runs and nothing can start any more, and its recorded process doesn't run either: a runtime that has lost its
/// state says that there is nothing.
/// </para>
/// <para>
/// Steps are recorded in order, behind the deeds (<see cref="StateJournal"/>), except that the port is durable before the start and <c>terminated</c> after the end. Deadlines are
/// compared by <see cref="CheckDeadlines"/>, which the lease loop calls; it needs neither disk nor controller nor runtime.
/// </para>
/// </summary>
internal sealed partial class BackendSupervisor
{
    private readonly SupervisionParts _parts;
    private readonly BackendRow _row;
    private readonly SpawnOrder _order;
    private readonly TerminationSignals _signals = new();
    private readonly StateJournal _journal;
    private readonly Lock _look = new();
    private readonly ILogger _logger;

    /// <summary>A step that was cancelled and has not come back: it may still start something.</summary>
    private Task? _underWay;
    private StartedBackend? _started;

    /// <summary>
    /// Its process, as the runtime reported it or an agent before recorded it: what is killed where the runtime does not end it. By the supervising task alone. None where it
    /// isn't known.
    /// </summary>
    private ProcessIdentity _process;

    /// <summary>
    /// An exit that was reported before the start was answered. It counts once the start has succeeded; what a failed start made is removed by the runtime, and that is not how
    /// the backend ended.
    /// </summary>
    private BackendExit? _early;
    private int? _port;
    private bool _portIsTold;
    private volatile bool _wasReady;
    private long? _stopAt;
    private TimeSpan? _graceCap;
    private long _wakeAt = long.MinValue;

    /// <summary>When the runtime last reported progress of a step, as a timestamp: it was there then.</summary>
    private long _answeredAt = long.MinValue;

    public BackendSupervisor(BackendRow row, SupervisionParts parts)
    {
        _row = row;
        _order = row.Order ?? throw new InvalidOperationException($"{row.Identity.Backend} has ended");
        Reserves = ResourceAmounts.Of(_order.Executable);
        _parts = parts;
        _logger = parts.Logger;
        _lookOutage = new Outage(parts.Time);
        _port = row.Port;
        _portIsTold = row.Port is not null;
        _journal = new StateJournal(parts.State, row.Status, parts.Time);
        _wasReady = row.Status >= BackendStatus.Ready;
        Lease = new BackendLease(row.Identity, LatestDeadlines(row, parts), row.Refused, parts.State.InstanceId, parts.Clock);
        if (row.EndReason == TerminationReason.KeyExpired)
        {
            Lease.Abandon();
        }

        if (row.Claim is { } claim)
        {
            Claim(claim);
        }
    }

    public BackendIdentity Identity => _row.Identity;

    public ExecutorKind Kind => _order.Executable.Kind;

    /// <summary>What it reserves on the drone.</summary>
    public ResourceAmounts Reserves { get; }

    public BackendLease Lease { get; }

    /// <summary>Set once nothing of it runs; its lease is not renewed any more.</summary>
    public bool IsGone { get; private set; }

    /// <summary>Whether it was started and has not been seen to exit.</summary>
    public bool IsRunning => Volatile.Read(ref _started) is not null && !_signals.Exit.IsCompleted && !IsGone;

    /// <summary>The reading of the lease clock at which <see cref="CheckDeadlines"/> has something to do.</summary>
    public long WakeAt => Volatile.Read(ref _wakeAt);

    private IContainerRuntime Runtime => _parts.Runtimes[Kind];

    /// <summary>Asks for its end. The first reason stays, a harder kind wins.</summary>
    public void RequestTermination(TerminationKind kind, TerminationReason reason, TimeSpan? graceCap = null)
    {
        var now = _parts.Clock.Milliseconds;
        if (graceCap is { } cap)
        {
            lock (_look)
            {
                _graceCap = cap;

                // A grace that has begun is cut too.
                _stopAt = _stopAt is { } stopAt ? Math.Min(stopAt, now + (long)cap.TotalMilliseconds) : null;
            }
        }

        _signals.RequestTermination(new TerminationCause(kind, reason));
        CheckDeadlines(now);
    }

    /// <summary>Takes in that it exited.</summary>
    public void OnExited(BackendExit exit)
    {
        lock (_look)
        {
            if (_started is null)
            {
                _early = exit;
                return;
            }
        }

        AskWhereGuardEnded();
        _signals.OnExited(exit);
    }

    /// <summary>Takes in that the runtime doesn't know it though it was started: removed behind our back.</summary>
    public void OnMissing(string message)
    {
        AskWhereGuardEnded();
        _signals.RequestTermination(new TerminationCause(TerminationKind.Hard, TerminationReason.InternalError, message));
        _signals.OnExited(new BackendExit(Identity, null, null));
    }

    /// <summary>Compares its deadlines with a reading of the lease clock. May be called by anybody, at any time, any number of times.</summary>
    public void CheckDeadlines(long now)
    {
        lock (_look)
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

            // Deadlines only move later, so a moment computed here is never too late.
            var next = _signals.Kill.IsCompleted ? long.MaxValue : Math.Min(Lease.HardAt, _stopAt ?? long.MaxValue);
            Volatile.Write(ref _wakeAt, Math.Min(next, Lease.GivesUpAt));
        }
    }

    /// <summary>Leads it to its end, or until the agent stops, which leaves it as it is.</summary>
    /// <param name="adoption">What its runtime knew of it when the agent started; null for a new one.</param>
    /// <param name="stopping">The agent stops.</param>
    public async Task RunAsync(Task<FoundBackend?>? adoption, CancellationToken stopping)
    {
        var writing = _journal.WriteAsync(stopping);
        try
        {
            CheckDeadlines(_parts.Clock.Milliseconds);
            try
            {
                if (adoption is null || await AdoptAsync(adoption, stopping))
                {
                    await BringUpAsync(stopping);
                }

                if (!_signals.HasEnded)
                {
                    await _signals.Any.WaitAsync(stopping);
                }
            }
            catch (RuntimeFailureException e)
            {
                LogFailure(Identity.Backend, e.Message);
                _signals.RequestTermination(new TerminationCause(TerminationKind.Hard, TerminationReason.InternalError, e.Message));
            }
            catch (Exception e) when (!stopping.IsCancellationRequested)
            {
                LogUnexpected(e, Identity.Backend);
                _signals.RequestTermination(new TerminationCause(TerminationKind.Hard, TerminationReason.InternalError, $"the drone failed: {e.GetType().Name}: {e.Message}"));
            }

            stopping.ThrowIfCancellationRequested();
            await EndAsync(stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Backends outlive the agent: the next one adopts it.
            LogLeft(Identity.Backend);
        }
        finally
        {
            _journal.Complete();
            await writing;
        }
    }

    private async Task BringUpAsync(CancellationToken stopping)
    {
        using var span = _row.Status < BackendStatus.Ready ? PlaneTrace.Continue("start backend", ActivityKind.Consumer, _order.TraceParent) : null;
        span?.SetTag(PlaneTrace.BackendTag, Identity.Backend.Value).SetTag("plane.runtime", Kind.ToString().ToLowerInvariant());
        if (_started is null && !await StartAsync(stopping))
        {
            return;
        }

        if (_signals.HasEnded || _row.Status >= BackendStatus.Terminating || _started is not { } started)
        {
            return;
        }

        _journal.Post(Step(BackendStatus.Waiting) with { Pid = started.Pid, StartTime = started.StartTime });
        if (_row.Status < BackendStatus.Ready)
        {
            var (done, answers) = await StepAsync("wait until ready", c => WaitForAnswerAsync(started.Address, c), stopping);
            if (!done)
            {
                return;
            }

            if (!answers)
            {
                var message = $"It did not answer HTTP within {_parts.Options.StartupLimit.TotalSeconds:0.#} s. {_hint}".TrimEnd();
                _signals.RequestTermination(new TerminationCause(TerminationKind.Soft, TerminationReason.StartupTimeout, message));
                return;
            }

            if (PoolKey.Is(_order.Key))
            {
                // It may be claimed in a second or in a week.
                span?.Stop();
            }

            if (!await BecomeClaimedAsync(started.Address, stopping))
            {
                return;
            }

            LogReady(Identity.Backend, started.Address);
        }

        _wasReady = true;
        _journal.Post(Step(BackendStatus.Ready));
    }

    private async Task<bool> StartAsync(CancellationToken stopping)
    {
        if (_signals.HasEnded)
        {
            return false;
        }

        _journal.Post(Step(BackendStatus.Loading));

        // A port that this backend was given before a restart is its own still. Before anything is brought: with ports that all rest it would be brought for nothing.
        var (hasPort, port) = await StepAsync("take port", _ => Task.FromResult(_port ?? _parts.Ports.Take()), stopping);
        if (!hasPort)
        {
            return false;
        }

        _port = port;
        var start = new BackendStart
        {
            Identity = Identity,
            Key = _order.Key,
            Executable = _order.Executable,
            StaticToken = _order.StaticToken,
            Ip = _parts.Options.Ip,
            Port = port,
            Deadlines = Lease.Deadlines,
            MayStart = () => !_signals.HasEnded && !_parts.Leases.IsEnded(Identity) && Lease.AllowsStart && !stopping.IsCancellationRequested,
            Progress = text =>
            {
                Volatile.Write(ref _answeredAt, _parts.Time.GetTimestamp());
                LogProgress(Identity.Backend, text);
            },
        };
        if (!(await StepAsync("prepare", c => Nothing(Runtime.PrepareAsync(start, c)), stopping)).Done)
        {
            return false;
        }

        _portIsTold = true;
        var durable = _row.Status >= BackendStatus.Starting ? Task.CompletedTask : _journal.RecordAsync(Step(BackendStatus.Starting) with { Port = _port });
        await Task.WhenAny(durable, _signals.Any).WaitAsync(stopping);
        if (!durable.IsCompletedSuccessfully)
        {
            return false;
        }

        return await StartAsync(start, stopping);
    }

    private async Task<bool> StartAsync(BackendStart start, CancellationToken stopping)
    {
        // The lease is written before anything is created: from here on the guard ends it if this agent can't.
        var (done, started) = await StepAsync(
            "start",
            c =>
            {
                Protect();
                return Runtime.StartAsync(start with { Deadlines = Lease.Deadlines }, c);
            },
            stopping);
        if (started is not null)
        {
            SetStarted(started);
            _parts.Leases.SetProcess(Identity, started.Pid, started.StartTime);
            LogStarted(Identity.Backend, started.Address, started.Pid);
            return true;
        }

        if (done && !_signals.HasEnded)
        {
            // The last look said no: the clock has passed the soft deadline since, or the guard the hard one.
            _signals.RequestTermination(new TerminationCause(TerminationKind.Soft, TerminationReason.KeyExpired));
        }

        return false;
    }

    private void SetStarted(StartedBackend started)
    {
        BackendExit? early;
        lock (_look)
        {
            Volatile.Write(ref _started, started);
            (early, _early) = (_early, null);
        }

        if (started.Pid > 1)
        {
            _process = new ProcessIdentity(started.Pid, started.StartTime);
        }

        if (early is not null)
        {
            OnExited(early);
        }
    }

    private void Protect()
    {
        if (!_parts.Leases.TryProtect(Identity, () => Lease.Deadlines, Runtime.TargetOf(Identity), _parts.KillConfirm))
        {
            throw new RuntimeUnavailableException("its lease cannot be written for the guard");
        }
    }

    /// <summary>What the guard has ended did not end by itself, and was not lost.</summary>
    private void AskWhereGuardEnded()
    {
        if (_parts.Leases.IsEnded(Identity))
        {
            Lease.Abandon();
            _signals.RequestTermination(new TerminationCause(TerminationKind.Hard, TerminationReason.KeyExpired));
        }
    }

    private StateChange Step(BackendStatus status) => new() { Identity = Identity, Status = status, Address = _started?.Address };
}
