using Orleans;

namespace Plane.Tests.Silo;

/// <summary>What a drone says to the controller, said by a test: it starts nothing.</summary>
public sealed class DroneDouble
{
    private readonly IDroneGrain _grain;
    private readonly DroneSession _session;
    private long _sequence;

    private readonly string _instance;

    private DroneDouble(IDroneGrain grain, DroneSession session, string instance)
    {
        _grain = grain;
        _session = session;
        _instance = instance;
    }

    public DroneName Name => _session.Drone;

    public static async Task<DroneDouble> RegisterAsync(IGrainFactory grains, ClusterName cluster, string pool, ExecutorKind[] kinds)
    {
        var name = DroneName.NewRandom();
        var grain = grains.GetGrain<IDroneGrain>(GrainKeys.Drone(cluster, name));
        var clock = BootTimeClock.Instance;
        var instance = Guid.NewGuid().ToString("N");
        var reply = await grain.Register(new DroneRegistration
        {
            Cluster = cluster,
            Name = name,
            Pool = pool,
            InstanceId = instance,
            BootId = clock.BootId,
            Reading = clock.Milliseconds,
            Kinds = kinds,
            MaxBackends = 1_000,
            Version = "0.0.1",
            Hash = "abc",
        });
        Assert.Equal(RegistrationOutcome.Accepted, reply.Outcome);
        return new DroneDouble(grain, reply.Session!, instance);
    }

    /// <summary>Says with a heartbeat where its inspector is.</summary>
    public async Task ShowAsync(string inspector) => Assert.Equal(SessionState.Current, await _grain.Heartbeat(new DroneHeartbeat
    {
        Session = _session,
        InstanceId = _instance,
        BootId = BootTimeClock.Instance.BootId,
        Reading = BootTimeClock.Instance.Milliseconds,
        Ready = true,
        Inspector = inspector,
    }));

    /// <summary>Says with a heartbeat what its backends may reserve.</summary>
    public async Task HasAsync(ResourceAmounts capacity) => Assert.Equal(SessionState.Current, await _grain.Heartbeat(new DroneHeartbeat
    {
        Session = _session,
        InstanceId = _instance,
        BootId = BootTimeClock.Instance.BootId,
        Reading = BootTimeClock.Instance.Milliseconds,
        Ready = true,
        Capacity = capacity,
    }));

    /// <summary>Asks which images it is to have.</summary>
    public Task<ImagePage> ReadImagesAsync(string pool, string? known = null, TimeSpan wait = default) =>
        _grain.ReadImages(new ImageQuery { Session = _session, Pool = pool, Known = known }, wait);

    public async Task ReportImagesAsync(params ImageState[] images) =>
        Assert.Equal(SessionState.Current, await _grain.ReportImages(new ImageReport { Session = _session, Images = images }));

    public Task<ChangeOutcome> DrainAsync() => _grain.Drain(terminate: false);

    public Task<ChangeOutcome> UndrainAsync() => _grain.Undrain();

    public async Task<DroneAction[]> ActionsAsync() => (await _grain.ReadActions(_session, 0, TimeSpan.Zero)).Actions;

    /// <summary>Reports that a backend failed at its start, with what its drone says of it and its last lines.</summary>
    public async Task ReportFailureAsync(BackendIdentity backend, string message, string output)
    {
        var reply = await _grain.ReportStates(new StateBatch
        {
            Session = _session,
            Events =
            [
                new StateEvent
                {
                    Sequence = Interlocked.Increment(ref _sequence),
                    Identity = backend,
                    Status = BackendStatus.Terminated,
                    TerminationReason = TerminationReason.InternalError,
                    ExitCode = 1,
                    Message = message,
                    OutputTail = output,
                },
            ],
        });
        Assert.True(Assert.Single(reply.Acks).Applied);
    }

    /// <summary>Reports a state of a backend; must be applied.</summary>
    public async Task ReportAsync(
        BackendIdentity backend, BackendStatus status, TerminationReason? reason = null, TerminationKind? kind = null, int? exitCode = null, string address = "127.0.0.1:31000")
    {
        var reply = await _grain.ReportStates(new StateBatch
        {
            Session = _session,
            Events =
            [
                new StateEvent
                {
                    Sequence = Interlocked.Increment(ref _sequence),
                    Identity = backend,
                    Status = status,
                    Address = status is BackendStatus.Ready ? address : null,
                    TerminationReason = reason,
                    TerminationKind = kind,
                    ExitCode = exitCode,
                },
            ],
        });
        var ack = Assert.Single(reply.Acks);
        Assert.True(ack.Applied, $"{status} was refused: {ack.Refusal}");
    }
}
