using Plane.Storage;
using Plane.Tests.Grains;
using Plane.Testing;

namespace Plane.Tests.Services;

/// <summary>Pools of warm backends, and connects that claim them, over real stores and with drones that do what their actions say.</summary>
public sealed class WarmTests(GrainClusters clusters) : IClassFixture<GrainClusters>
{
    private static int s_services;

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_pool_is_spread_over_the_drones_and_refilled_after_a_claim(On on)
    {
        var (plane, cluster) = await StartAsync(on);
        await using var one = await WarmDrone.StartAsync(plane, cluster);
        await using var two = await WarmDrone.StartAsync(plane, cluster);
        var service = await PutAsync(plane, cluster, 4);
        var pool = await FullAsync(plane, service, 4);
        Assert.Equal([2, 2], pool.CountBy(b => b.Drone).Select(c => c.Value));

        var command = Connect(service, cluster, "room");
        var result = await ConnectAsync(plane, command);

        Assert.Contains(result.Holder!.Identity.Backend, pool.Select(b => b.Identity.Backend));
        Assert.Equal((false, BackendStatus.Ready), (result.Spawned, result.Holder.Status));
        var claim = Assert.Single(one.Claims.Concat(two.Claims));
        Assert.Equal(("/here", "room", service.Value), (claim.Claim!.Path, claim.Claim.Key.Name, claim.Claim.Key.Namespace));
        var route = await plane.Store.ResolveAsync(command.Drawn.Token.Hash(), default);
        Assert.Equal((RouteOutcome.Found, result.Holder.Identity), (route.Outcome, route.Route!.Backend));
        Assert.Equal(3, (await FullAsync(plane, service, 4)).Count(b => pool.Exists(p => p.Identity == b.Identity)));
        Assert.Equal(result.Holder.Identity, (await ConnectAsync(plane, Connect(service, cluster, "room"))).Holder!.Identity);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task Many_connects_at_once_claim_each_a_backend_and_start_none(On on)
    {
        var (plane, cluster) = await StartAsync(on);
        await using var drone = await WarmDrone.StartAsync(plane, cluster);
        var service = await PutAsync(plane, cluster, 30);
        await FullAsync(plane, service, 30);

        var results = await Task.WhenAll(Enumerable.Range(0, 30).Select(i => ConnectAsync(plane, Connect(service, cluster, $"room-{i}"))));

        Assert.All(results, r => Assert.Equal((false, BackendStatus.Ready), (r.Spawned, r.Holder?.Status ?? default)));
        Assert.Equal(30, results.Select(r => r.Holder!.Identity.Backend).Distinct().Count());
        Assert.All(drone.Started, k => Assert.True(PoolKey.Is(k)));
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task Many_connects_to_one_key_claim_one_backend(On on)
    {
        var (plane, cluster) = await StartAsync(on);
        await using var drone = await WarmDrone.StartAsync(plane, cluster);
        var service = await PutAsync(plane, cluster, 5);
        await FullAsync(plane, service, 5);
        var results = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => ConnectAsync(plane, Connect(service, cluster, "room"))));
        Assert.Single(results.Select(r => r.Holder!.Identity).Distinct());
        Assert.Single(drone.Claims);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task One_that_does_not_take_its_claim_gives_way_to_the_next_one_and_two_of_them_to_a_start(On on)
    {
        var (plane, cluster) = await StartAsync(on);
        await using var drone = await WarmDrone.StartAsync(plane, cluster);
        var service = await PutAsync(plane, cluster, 3);
        await FullAsync(plane, service, 3);
        drone.OnClaim = _ => drone.Claims.Count > 1;
        var second = await ConnectAsync(plane, Connect(service, cluster, "one"));
        Assert.Equal((false, BackendStatus.Ready, 2), (second.Spawned, second.Holder!.Status, drone.Claims.Count));
        Assert.Equal(drone.Claims.Last().Identity, second.Holder.Identity);

        await FullAsync(plane, service, 3);
        drone.OnClaim = _ => false;
        var command = Connect(service, cluster, "two");
        var cold = await ConnectAsync(plane, command);
        Assert.Equal((true, command.Drawn.BackendId, 4), (cold.Spawned, cold.Holder!.Identity.Backend, drone.Claims.Count));
    }

    [Fact]
    public async Task A_connect_whose_drone_says_nothing_is_answered_with_the_backend_that_holds_the_key()
    {
        var (plane, cluster) = await StartAsync(On.Sqlite);
        await using var drone = await WarmDrone.StartAsync(plane, cluster);
        var service = await PutAsync(plane, cluster, 1);
        await FullAsync(plane, service, 1);
        drone.OnClaim = _ => null;
        var command = Connect(service, cluster, "room");
        var result = await ConnectAsync(plane, command);
        Assert.Equal((BackendStatus.Waiting, drone.Claims.Single().Identity), (result.Holder!.Status, result.Holder.Identity));
        Assert.Equal(RouteOutcome.Starting, (await plane.Store.ResolveAsync(command.Drawn.Token.Hash(), default)).Outcome);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_request_with_an_id_is_answered_once(On on)
    {
        var (plane, cluster) = await StartAsync(on);
        await using var drone = await WarmDrone.StartAsync(plane, cluster);
        var service = await PutAsync(plane, cluster, 3);
        await FullAsync(plane, service, 3);
        ConnectCommand Make() => ConnectCommand.For(new ConnectRequest { Key = new KeyConfig { Name = "room" }, Service = service, RequestId = $"id of {service}" }, cluster);
        var results = await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            var command = Make();
            var result = await ConnectAsync(plane, command);
            return (result.Holder!.Identity, command.AnsweredBy(result).Drawn.Token, result.Spawned);
        }));
        Assert.Single(results.Distinct());
        Assert.Single(drone.Claims);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_visitor_wakes_a_warm_backend(On on)
    {
        var (plane, cluster) = await StartAsync(on);
        await using var drone = await WarmDrone.StartAsync(plane, cluster);
        var service = await PutAsync(plane, cluster, 1);
        var pool = await FullAsync(plane, service, 1);
        var entered = await plane.Client.GetGrain<IServiceGrain>(GrainKeys.Service()).Enter(new EnterCommand
        {
            Service = service, Cluster = cluster, Label = "room", Token = BearerToken.NewRandom(), SecretToken = RandomText.Secret(), BackendId = BackendName.NewRandom(), ClientNetwork = "203.0.113.0/24",
        });
        Assert.Equal((EnterOutcome.Entered, pool.Single().Identity.Backend, BackendStatus.Ready), (entered.Outcome, entered.Holder!.Identity.Backend, entered.Holder.Status));
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_changed_service_has_its_pool_replaced(On on)
    {
        var (plane, cluster) = await StartAsync(on);
        await using var drone = await WarmDrone.StartAsync(plane, cluster);
        var service = await PutAsync(plane, cluster, 3);
        var before = await FullAsync(plane, service, 3);

        await PutAsync(plane, cluster, 2, service, command: "other");

        var after = await FullAsync(plane, service, 2);
        Assert.Empty(after.Select(b => b.Identity).Intersect(before.Select(b => b.Identity)));
        foreach (var old in before)
        {
            await Eventually.SeenAsync(async _ => (await plane.Store.ReadBackendAsync(old.Identity.Backend, default))!.Status, s => s == BackendStatus.Terminated, "it has ended");
        }

        await plane.Store.DeleteServiceAsync(service, keepBackends: false, default);
        await FullAsync(plane, service, 0);
    }

    [Fact]
    public async Task A_draining_drones_pool_moves()
    {
        var (plane, cluster) = await StartAsync(On.Postgres);
        await using var one = await WarmDrone.StartAsync(plane, cluster);
        await using var two = await WarmDrone.StartAsync(plane, cluster);
        var service = await PutAsync(plane, cluster, 4);
        await FullAsync(plane, service, 4);
        await one.DrainAsync();
        await Eventually.SeenAsync(
            async _ => await plane.Store.ListWarmAsync(default),
            w => w.Where(b => b.Service == service).ToList() is { Count: 4 } pool && pool.All(b => b.IsWarm && b.Drone == two.Name),
            "all are on the other drone",
            TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task An_older_drone_is_given_no_warm_backend()
    {
        var (plane, cluster) = await StartAsync(On.Sqlite);
        var old = await TestDrone.RegisterAsync(plane, cluster);
        await old.HeartbeatAsync();
        var service = await PutAsync(plane, cluster, 1);
        await using var drone = await WarmDrone.StartAsync(plane, cluster);
        Assert.Equal(drone.Name, Assert.Single(await FullAsync(plane, service, 1)).Drone);
        Assert.Empty(await old.ActionsAsync());
    }

    [Fact]
    public void A_pool_and_a_mount_do_not_go_together()
    {
        var config = Config("board", 1);
        Assert.Null(ServiceRules.Validate(config));
        var mounted = config.SpawnConfig with { Executable = new Executable { Image = "board", Mount = new MountRequest((string?)null) } };
        Assert.Equal("warm", ServiceRules.Validate(config with { SpawnConfig = mounted })!.Path);
    }

    private static ServiceConfig Config(string command, int count) => new()
    {
        SpawnConfig = new SpawnConfig { Executable = new Executable { Command = [command] } },
        Access = ServiceAccess.Public,
        Warm = new WarmConfig { Count = count, ClaimPath = "/here" },
    };

    private async Task<(GrainCluster Plane, ClusterName Cluster)> StartAsync(On on)
    {
        var plane = await clusters.OfAsync(on);
        return (plane, plane.NewCluster());
    }

    private static async Task<ServiceName> PutAsync(GrainCluster plane, ClusterName cluster, int count, ServiceName? name = null, string command = "board")
    {
        var service = name ?? ServiceName.Parse($"w{Interlocked.Increment(ref s_services)}");
        var config = Config(command, count);
        await plane.Store.PutServiceAsync(service, config with { SpawnConfig = config.SpawnConfig with { Cluster = cluster.Value } }, default);
        return service;
    }

    private static ConnectCommand Connect(ServiceName service, ClusterName cluster, string key) =>
        ConnectCommand.For(new ConnectRequest { Key = new KeyConfig { Name = key }, Service = service }, cluster);

    private static Task<ConnectResult> ConnectAsync(GrainCluster plane, ConnectCommand command) => plane.Client.GetGrain<IServiceGrain>(GrainKeys.Service()).Connect(command);

    /// <summary>The pool, once so many are warm and nothing else is in it.</summary>
    private static async Task<List<WarmBackend>> FullAsync(GrainCluster plane, ServiceName service, int count) => await Eventually.SeenAsync(
        async _ => (await plane.Store.ListWarmAsync(default)).Where(b => b.Service == service).ToList(),
        pool => pool.Count == count && pool.All(b => b is { IsWarm: true, IsEnding: false }),
        "the pool is full",
        TimeSpan.FromMinutes(1));
}
