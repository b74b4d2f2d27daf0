using Plane.Testing;

namespace Plane.Tests.Grains;

public sealed class SweepTests
{
    // Leases that outlast the test, sweeps that don't.
    private static readonly LeaseOptions SweepOften = new()
    {
        Sweep = TimeSpan.FromMilliseconds(100),
        HeartbeatFresh = TimeSpan.FromMinutes(5),
    };

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_backend_whose_lease_expired_is_lost_and_its_status_waits_complete(On on)
    {
        await using var plane = await GrainCluster.StartAsync(on, GrainCluster.ShortLeases);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var identity = await plane.SpawnedAsync(cluster);

        var page = await Eventually.SeenAsync(
            t => plane.Backend(identity).ReadStatus(BackendStatus.Scheduled, TimeSpan.FromSeconds(5), t), p => p.Entries.Length > 0, "the lost backend's end");

        var end = Assert.Single(page.Entries);
        Assert.Equal((BackendStatus.Terminated, TerminationReason.Lost), (end.Status, end.TerminationReason));
        Assert.Empty(await drone.ActionsAsync());
        var late = await drone.ReportAsync(drone.Event(identity, BackendStatus.Ready));
        Assert.False(Assert.Single(late.Acks).Applied);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_ready_backend_that_no_proxy_reports_is_swept_as_idle(On on)
    {
        await using var plane = await GrainCluster.StartAsync(on, SweepOften);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var idle = await plane.SpawnedAsync(cluster, Commands.Spawn() with { MaxIdleSeconds = 1 });
        var starting = await plane.SpawnedAsync(cluster, Commands.Spawn() with { MaxIdleSeconds = 1 });
        var unlimited = await plane.SpawnedAsync(cluster);
        await drone.ReachAsync(idle, BackendStatus.Ready);
        await drone.ReachAsync(unlimited, BackendStatus.Ready);

        var end = await EndOrderAsync(drone);

        Assert.Equal(idle, end.Identity);
        Assert.Equal((TerminationKind.Soft, TerminationReason.Swept), (end.Terminate!.Kind, end.Terminate.Reason));
        Assert.NotEqual(starting, unlimited);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_backend_that_a_proxy_reports_as_used_is_not_idle(On on)
    {
        await using var plane = await GrainCluster.StartAsync(on, SweepOften);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var proxy = ProxyName.NewRandom();
        var used = await plane.SpawnedAsync(cluster, Commands.Spawn() with { MaxIdleSeconds = 1 });
        var idle = await plane.SpawnedAsync(cluster, Commands.Spawn() with { MaxIdleSeconds = 1 });
        await drone.ReachAsync(used, BackendStatus.Ready);
        await drone.ReachAsync(idle, BackendStatus.Ready);

        var ends = await Eventually.SeenAsync(
            async t =>
            {
                await plane.Proxy(proxy).Report(new ProxyReport { Cluster = cluster, Proxy = proxy, Version = "1", InUse = [used, used] }, t);
                return Ends(await drone.ActionsAsync());
            },
            e => e.Length > 0,
            "the idle backend's end");

        Assert.Equal(idle, Assert.Single(ends).Identity);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_backend_over_its_lifetime_is_swept(On on)
    {
        await using var plane = await GrainCluster.StartAsync(on, SweepOften);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        await plane.SpawnedAsync(cluster);
        var limited = await plane.SpawnedAsync(cluster, Commands.Spawn() with { LifetimeLimitSeconds = 1 });
        await drone.ReachAsync(limited, BackendStatus.Loading);

        var end = await EndOrderAsync(drone);

        Assert.Equal(limited, end.Identity);
        Assert.Equal(TerminationReason.Swept, end.Terminate!.Reason);
    }

    [Fact]
    public async Task Sweeps_go_on_after_the_database_was_away()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite, SweepOften);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var limited = await plane.SpawnedAsync(cluster, Commands.Spawn() with { LifetimeLimitSeconds = 1 });
        plane.Faults.Fail(m => m.StartsWith("Sweep", StringComparison.Ordinal) ? new InvalidOperationException("a defect") : null);
        var calls = plane.Faults.Calls("SweepLifetimeAsync");
        await Eventually.TrueAsync(() => plane.Faults.Calls("SweepLifetimeAsync") > calls + 2, "sweeps that fail");

        plane.Faults.Back();

        Assert.Equal(limited, (await EndOrderAsync(drone)).Identity);
    }

    [Fact]
    public async Task The_controller_says_that_it_lives()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        await TestDrone.RegisterAsync(plane, cluster);
        await Eventually.TrueAsync(() => plane.Faults.Calls("HeartbeatControllerAsync") > 0, "a heartbeat of the controller");
        var node = (await plane.Store.ReadClusterAsync(cluster, default)).Drones[0].Node;
        Assert.StartsWith("co-", node.Controller);
    }

    private static DroneAction[] Ends(DroneAction[] actions) => [.. actions.Where(a => a.Kind == DroneActionKind.Terminate)];

    private static async Task<DroneAction> EndOrderAsync(TestDrone drone) =>
        Assert.Single(await Eventually.SeenAsync(async _ => Ends(await drone.ActionsAsync()), e => e.Length > 0, "an order to end"));
}
