using Microsoft.Extensions.Logging;
using Plane.Hosting.Cluster;
using Plane.Hosting;
using Plane.DroneHost.Housekeeping;
using Plane.DroneHost.State;

namespace Plane.DroneHost.Session;

/// <summary>
/// Registers the drone and holds its session. Every loop speaks under the session it was given here and hands in what it learns about it.
/// <para>
/// A session that is unknown to the controller is registered again. One that was replaced means that another agent speaks under the name now: this one must stop,
/// unless a registration of its own, whose answer it never got, may have replaced it. A controller that was stopped may carry such a one out when it continues; a session that is
/// older than that was replaced by another agent.
/// </para>
/// </summary>
internal sealed partial class ControllerSession(
    GatewayChoice<IDroneGrain> drones,
    GatewayChoice<ILeaseGrain> leases,
    DurableState state,
    DroneOptions options,
    DroneReadiness readiness,
    DroneCapacity capacity,
    ILeaseClock clock,
    TimeProvider time,
    DroneMetrics metrics,
    ILogger<ControllerSession> logger)
{
    private static readonly TimeSpan RegistrationCall = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LateRegistration = TimeSpan.FromMinutes(10);

    private readonly Lock _gate = new();
    private TaskCompletionSource<DroneSession> _current = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Signal _lost = new();
    private bool _registrationUnanswered;
    private long _acceptedAt;
    private bool _replaced;

    /// <summary>Raised after each registration.</summary>
    public event Action? Registered;

    /// <summary>The lease numbers to live by.</summary>
    public LeaseOptions Numbers => state.Numbers;

    /// <summary>The session, if there is one now.</summary>
    public DroneSession? Current
    {
        get
        {
            lock (_gate)
            {
                return _current.Task.IsCompletedSuccessfully ? _current.Task.Result : null;
            }
        }
    }

    /// <summary>The drone's grain, over a gateway that answers.</summary>
    public GatewayChoice<IDroneGrain> Drone => drones;

    /// <summary>What renews leases, over a gateway that answers.</summary>
    public GatewayChoice<ILeaseGrain> Leases => leases;

    /// <summary>The session, once there is one. Every loop passes here each time round, so a stopped one ends here even where each of its calls is answered at once.</summary>
    /// <exception cref="OperationCanceledException">The loop is to end.</exception>
    public Task<DroneSession> WaitAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            return _current.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Takes in what a reply says about the session that it was asked under.</summary>
    public void Observe(DroneSession session, SessionState answer)
    {
        if (answer == SessionState.Current)
        {
            return;
        }

        lock (_gate)
        {
            if (!_current.Task.IsCompletedSuccessfully || _current.Task.Result != session)
            {
                return;
            }

            _current = new TaskCompletionSource<DroneSession>(TaskCreationOptions.RunContinuationsAsynchronously);
            var mayBeOwn = _registrationUnanswered && time.GetElapsedTime(_acceptedAt) < LateRegistration;
            _replaced = answer == SessionState.Replaced && !mayBeOwn;
            _registrationUnanswered = false;
        }

        LogSessionLost(session.Number, answer);
        _lost.Set();
    }

    /// <summary>Registers, and again whenever the session is lost.</summary>
    /// <exception cref="SessionRefusedException">The controller will not have this drone.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (Current is null)
            {
                if (_replaced)
                {
                    throw new SessionRefusedException($"another agent registered as {state.Name} in {state.Cluster} and replaced this one");
                }

                await RegisterAsync(cancellationToken);
            }

            await _lost.WaitAsync(TimeSpan.FromMinutes(1), time, cancellationToken);
        }
    }

    private async Task RegisterAsync(CancellationToken cancellationToken)
    {
        var outage = new Outage(time);
        long? inUseSince = null;
        await ControllerCall.Rounds(time, OnFailure, cancellationToken).ExecuteAsync(async c => await TryRegisterAsync(c), cancellationToken);

        async Task<bool> TryRegisterAsync(CancellationToken c)
        {
            var reply = await TimeLimit.WithinAsync(RegisterOnceAsync, RegistrationCall, time, c);
            switch (reply.Outcome)
            {
                case RegistrationOutcome.Accepted:
                    await AcceptAsync(reply);
                    return true;
                case RegistrationOutcome.NameInUse:
                    inUseSince ??= time.GetTimestamp();
                    if (time.GetElapsedTime(inUseSince.Value) >= options.NameInUseLimit)
                    {
                        throw new SessionRefusedException($"the name {state.Name} is in use by another drone of {state.Cluster}: {reply.Message}");
                    }

                    LogNameInUse(state.Name, reply.Message);
                    return false;
                case RegistrationOutcome.ForeignInstallation:
                    throw new SessionRefusedException(
                        $"this drone's backends belong to installation {state.InstallationId}, the controller to another: {reply.Message}")
                    {
                        LeavesBackends = true,
                    };
                default:
                    throw new SessionRefusedException($"the controller refuses this drone: {reply.Message}");
            }
        }

        void OnFailure(Exception e)
        {
            if (e is StateUnavailableException)
            {
                // Bound to no installation on disk, it must not take work. The writer says when the disk is back.
                LogNotStored();
                return;
            }

            lock (_gate)
            {
                _registrationUnanswered |= CallFailed.IsUnknownOutcome(e);
            }

            inUseSince = null;
            if (outage.ShouldLog(CallFailed.Reason(e)))
            {
                LogNoController(CallFailed.Reason(e));
            }
        }
    }

    private Task<RegistrationReply> RegisterOnceAsync(CancellationToken cancellationToken)
    {
        var calls = 0;
        return drones.CallAsync(
            (drone, c) =>
            {
                if (calls++ > 0)
                {
                    // The first one may still be carried out.
                    lock (_gate)
                    {
                        _registrationUnanswered = true;
                    }
                }

                return drone.Register(Describe(), c);
            },
            skip: 0,
            cancellationToken);
    }

    private async Task AcceptAsync(RegistrationReply reply)
    {
        if (reply is not { Session: { } session, InstallationId: { } installation, Numbers: { } numbers })
        {
            throw new SessionRefusedException("the controller accepted this drone without a session: its version does not fit");
        }

        if (state.InstallationId is { } own && own != installation)
        {
            throw new SessionRefusedException($"this drone's backends belong to installation {own}, the controller to {installation}") { LeavesBackends = true };
        }

        if (numbers.Validate() is { } problem)
        {
            throw new SessionRefusedException($"the controller's lease numbers are unsafe: {problem}");
        }

        await state.StoreRegistrationAsync(installation, numbers);
        lock (_gate)
        {
            _acceptedAt = time.GetTimestamp();
            _current.TrySetResult(session);
        }

        metrics.Registrations.Add(1);
        LogRegistered(state.Name, state.Cluster, session.Number);
        Registered?.Invoke();
    }

    private DroneRegistration Describe()
    {
        return new DroneRegistration
        {
            Cluster = state.Cluster,
            Name = state.Name,
            Pool = options.Pool,
            InstanceId = state.InstanceId,
            BootId = clock.BootId,
            Reading = clock.Milliseconds,
            Kinds = readiness.Kinds,
            MaxBackends = options.Places,
            Version = PlaneVersion.Current.Version,
            Hash = PlaneVersion.Current.Hash,
            InstallationId = state.InstallationId,
            Ready = readiness.TakesBackends,
            LastAction = state.LastAction,
            Capacity = capacity.Current,
        };
    }

    [LoggerMessage(EventIds.ControllerSessionRegistered, LogLevel.Information, "Registered as {Drone} in {Cluster}, session {Session}")]
    private partial void LogRegistered(DroneName drone, ClusterName cluster, long session);

    [LoggerMessage(EventIds.ControllerSessionSessionLost, LogLevel.Warning, "The controller ended session {Session} ({State}); registering again")]
    private partial void LogSessionLost(long session, SessionState state);

    [LoggerMessage(EventIds.ControllerSessionNoController, LogLevel.Warning, "No controller answers, retrying: {Reason}")]
    private partial void LogNoController(string reason);

    [LoggerMessage(EventIds.ControllerSessionNameInUse, LogLevel.Warning, "The name {Drone} is in use: {Reason}. The drone retries")]
    private partial void LogNameInUse(DroneName drone, string? reason);

    [LoggerMessage(EventIds.ControllerSessionNotStored, LogLevel.Warning, "The registration could not be stored. The drone retries")]
    private partial void LogNotStored();
}
