using Plane.Storage;

namespace Plane.Tests.Storage;

/// <summary>
/// What every store must do, written once and run on each engine. The parts of the class are the parts of the store. Time passes by
/// <see cref="IStoreHarness.AdvanceAsync"/>.
/// </summary>
public abstract partial class StoreSuite : IAsyncLifetime
{
    private IStoreHarness? _harness;

    protected static LeaseOptions Numbers { get; } = new();

    protected static ClusterName Cluster { get; } = ClusterName.Parse("example.com");

    protected static ControllerName Controller { get; } = ControllerName.Parse("co-test");

    protected static DroneName Drone { get; } = DroneName.Parse("dr-one");

    protected IStoreHarness Harness => _harness!;

    protected IPlaneStore Store => Harness.Stores[0];

    public async Task InitializeAsync() => _harness = await OpenAsync();

    public async Task DisposeAsync()
    {
        if (_harness is not null)
        {
            await _harness.DisposeAsync();
        }
    }

    protected abstract Task<IStoreHarness> OpenAsync();

    /// <summary>What the engine itself has to say of a storm that is over.</summary>
    protected virtual Task CalmAsync() => Task.CompletedTask;

    // ---- builders ----

    protected static DroneRegistration Registration(DroneName? name = null, int capacity = 1_000, string instance = "instance-1", string pool = "") => new()
    {
        Cluster = Cluster,
        Name = name ?? Drone,
        Pool = pool,
        InstanceId = instance,
        BootId = "boot-1",
        Reading = 5_000,
        Kinds = [ExecutorKind.Process, ExecutorKind.Docker],
        MaxBackends = capacity,
        Version = "1",
    };

    protected static ResolvedConnect Command(KeyConfig? key = null, Func<SpawnConfig, SpawnConfig>? spawn = null)
    {
        var config = new SpawnConfig { Executable = new Executable { Command = ["board"] } };
        config = spawn?.Invoke(config) ?? config;
        return new ResolvedConnect
        {
            Key = key ?? KeyConfig.NewRandom(),
            BackendId = config.Id ?? BackendName.NewRandom(),
            BackendIdIsChosen = config.Id is not null,
            Spawn = config,
            Cluster = Cluster,
            Token = BearerToken.NewRandom(),
            SecretToken = RandomText.Secret(),
            StaticToken = config.UseStaticToken ? BearerToken.NewStatic() : null,
        };
    }

    protected static KeyConfig Key(string name, string tag = "") => new() { Name = name, Tag = tag };

    protected static TokenRequest Ask(KeyConfig key, BearerToken? token = null, string? user = null) =>
        new(key, (token ?? BearerToken.NewRandom()).Hash(), "secret", user, null);

    protected async Task<DroneSession> RegisterAsync(DroneName? name = null, int capacity = 1_000, string instance = "instance-1", string pool = "")
    {
        var reply = await Store.RegisterDroneAsync(Registration(name, capacity, instance, pool), Controller, default);
        Assert.Equal(RegistrationOutcome.Accepted, reply.Outcome);
        return reply.Session!;
    }

    protected static AcquireRequest On(ResolvedConnect command, DroneName? drone = null) =>
        new() { Command = command, Cluster = Cluster, Drone = drone ?? Drone };

    protected async Task<HolderInfo> AcquireAsync(ResolvedConnect command, DroneName? drone = null)
    {
        var result = await Store.AcquireAsync(On(command, drone), default);
        Assert.Equal(AcquireOutcome.Acquired, result.Outcome);
        return result.Holder!;
    }

    protected Task<HolderInfo> AcquireAsync(string key) => AcquireAsync(Command(Key(key)));

    protected static StateEvent Event(BackendIdentity identity, BackendStatus status, long sequence = 1, Func<StateEvent, StateEvent>? more = null)
    {
        var e = new StateEvent { Sequence = sequence, Identity = identity, Status = status };
        return more?.Invoke(e) ?? e;
    }

    protected async Task<StateAck> ApplyAsync(BackendIdentity identity, BackendStatus status, Func<StateEvent, StateEvent>? more = null) =>
        (await Store.ApplyStatesAsync(null, [Event(identity, status, 1, more)], default)).Acks.Single();

    protected Task<StateAck> ReadyAsync(BackendIdentity identity, string address = "127.0.0.1:30001") =>
        ApplyAsync(identity, BackendStatus.Ready, e => e with { Address = address });

    protected async Task<BackendDetails> DetailsAsync(BackendIdentity identity)
    {
        var details = await Store.ReadBackendAsync(identity.Backend, default);
        Assert.NotNull(details);
        return details;
    }

    protected async Task HeartbeatAsync(DroneSession session, long reading = 6_000, bool ready = true) => Assert.Equal(
        SessionState.Current,
        await Store.HeartbeatDroneAsync(
            new DroneHeartbeat { Session = session, InstanceId = "instance-1", BootId = "boot-1", Reading = reading, Ready = ready }, Controller, default));

    protected async Task<DroneAction[]> ActionsAsync(DroneSession session, long after = 0, int limit = 100)
    {
        var page = await Store.ReadActionsAsync(session, after, limit, default);
        Assert.Equal(SessionState.Current, page.Session);
        return page.Actions;
    }

    protected Task ReportAsync(ProxyName proxy, params BackendIdentity[] inUse) =>
        Store.ReportProxyAsync(new ProxyReport { Cluster = Cluster, Proxy = proxy, Version = "1", InUse = inUse }, Controller, default);
}
