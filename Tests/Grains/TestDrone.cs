namespace Plane.Tests.Grains;

/// <summary>A drone as the grains see one: it says what the test has it say, through the drone's grain.</summary>
public sealed class TestDrone
{
    private readonly GrainCluster _plane;
    private long _sequence;
    private int _port = 30_000;

    private TestDrone(GrainCluster plane, DroneRegistration registration)
    {
        _plane = plane;
        Registration = registration;
    }

    public DroneRegistration Registration { get; private set; }

    public DroneSession Session { get; private set; } = null!;

    public DroneName Name => Registration.Name;

    public ClusterName Cluster => Registration.Cluster;

    public IDroneGrain Grain => _plane.Client.GetGrain<IDroneGrain>(GrainKeys.Drone(Cluster, Name));

    public static DroneRegistration Describe(ClusterName cluster, string pool = "", int maxBackends = 100, params ExecutorKind[] kinds) => new()
    {
        Cluster = cluster,
        Name = DroneName.NewRandom(),
        Pool = pool,
        InstanceId = Guid.NewGuid().ToString("N"),
        BootId = "boot-1",
        Reading = 1_000_000,
        Kinds = kinds.Length == 0 ? [ExecutorKind.Docker, ExecutorKind.Process] : kinds,
        MaxBackends = maxBackends,
        Version = "1.0.0",
        Hash = "cafe",
    };

    public static Task<TestDrone> RegisterAsync(GrainCluster plane, ClusterName cluster, string pool = "", int maxBackends = 100, params ExecutorKind[] kinds) =>
        RegisterAsync(plane, Describe(cluster, pool, maxBackends, kinds));

    public static async Task<TestDrone> RegisterAsync(GrainCluster plane, DroneRegistration registration)
    {
        var drone = new TestDrone(plane, registration);
        var reply = await drone.Grain.Register(registration);
        Assert.True(reply.Outcome == RegistrationOutcome.Accepted, $"{reply.Outcome}: {reply.Message}");
        drone.Session = reply.Session!;
        return drone;
    }

    /// <summary>The same drone, which reaches its grain through another cluster.</summary>
    public TestDrone Through(GrainCluster plane) => new(plane, Registration) { Session = Session };

    public Task<SessionState> HeartbeatAsync(long reading = 1_000_000) => Grain.Heartbeat(new DroneHeartbeat
    {
        Session = Session,
        InstanceId = Registration.InstanceId,
        BootId = Registration.BootId,
        Reading = reading,
        Ready = true,
    });

    /// <summary>All unacknowledged actions after a number.</summary>
    public async Task<DroneAction[]> ActionsAsync(long after = 0, TimeSpan wait = default) => (await Grain.ReadActions(Session, after, wait)).Actions;

    public Task<RenewalReply> RenewAsync(long reading, params BackendIdentity[] items) =>
        _plane.Client.GetGrain<ILeaseGrain>(GrainKeys.Lease(Cluster, Name, 0)).Renew(new RenewalBatch
        {
            Session = Session,
            InstanceId = Registration.InstanceId,
            BootId = Registration.BootId,
            Reading = reading,
            Items = items,
        });

    public StateEvent Event(BackendIdentity identity, BackendStatus status, TerminationReason? reason = null, int? exitCode = null) => new()
    {
        Sequence = Interlocked.Increment(ref _sequence),
        Identity = identity,
        Status = status,
        Address = status is BackendStatus.Waiting or BackendStatus.Ready ? $"127.0.0.1:{Interlocked.Increment(ref _port)}" : null,
        TerminationReason = reason,
        TerminationKind = reason is null ? null : Plane.TerminationKind.Soft,
        ExitCode = exitCode,
    };

    public Task<StateReply> ReportAsync(params StateEvent[] events) => Grain.ReportStates(new StateBatch { Session = Session, Events = events });

    /// <summary>Reports one state and expects it to be applied.</summary>
    public async Task ReachAsync(BackendIdentity identity, BackendStatus status, TerminationReason? reason = null)
    {
        var reply = await ReportAsync(Event(identity, status, reason));
        var ack = Assert.Single(reply.Acks);
        Assert.True(ack.Applied, ack.Refusal);
    }
}

/// <summary>Connect commands as the HTTP edge would make them.</summary>
public static class Commands
{
    public static KeyConfig NewKey(string tag = "") => new() { Name = $"room-{Guid.NewGuid():N}", Tag = tag };

    public static SpawnConfig Spawn(string pool = "") => new() { Pool = pool, Executable = new Executable { Command = ["run"] } };

    public static ConnectCommand Connect(KeyConfig key, ClusterName? cluster, SpawnConfig? spawn = null, string? user = null) =>
        ConnectCommand.For(new ConnectRequest { Key = key, SpawnConfig = spawn, User = user }, cluster);

    /// <summary>Connects and expects a holder.</summary>
    public static async Task<HolderInfo> ConnectedAsync(this GrainCluster plane, ConnectCommand command)
    {
        var result = await plane.ConnectAsync(command);
        Assert.True(result.Holder is not null, $"{result.Refusal}: {result.Message}");
        return result.Holder;
    }

    /// <summary>A backend of a new key on the cluster's drone.</summary>
    public static async Task<BackendIdentity> SpawnedAsync(this GrainCluster plane, ClusterName cluster, SpawnConfig? spawn = null) =>
        (await plane.ConnectedAsync(Connect(NewKey(), cluster, spawn ?? Spawn()))).Identity;
}
