using Microsoft.Extensions.DependencyInjection;
using Plane.Grains.Services;
using Plane.Tests.Grains;
using Plane.Tests.Proxy;
using Plane.Testing;

namespace Plane.Tests.Services;

/// <summary>What proxies and cluster clients get from services.</summary>
public sealed class ServiceGrainTests(GrainClusters clusters) : IClassFixture<GrainClusters>
{
    private static int s_services;

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_visitor_wakes_a_backend_and_the_next_one_finds_it(On on)
    {
        var (plane, cluster, drone, service) = await StartAsync(on);
        var command = Enter(service, cluster, "room-1");

        var woken = await Grain(plane).Enter(command);
        var found = await Grain(plane).Enter(Enter(service, cluster, "room-1"));

        Assert.Equal((EnterOutcome.Entered, "room-1"), (woken.Outcome, woken.Key!.Name));
        Assert.Equal(command.BackendId, woken.Holder!.Identity.Backend);
        Assert.Equal(woken.Holder.Identity, found.Holder!.Identity);
        Assert.Equal(RouteOutcome.Starting, (await plane.Store.ResolveAsync(command.Token.Hash(), default)).Outcome);
        var spawn = Assert.Single(await drone.ActionsAsync()).Spawn!;
        Assert.Equal(new KeyConfig { Name = "room-1", Namespace = service.Value }, spawn.Key);

        // Its end is not the session's.
        await drone.ReachAsync(woken.Holder.Identity, BackendStatus.Ready);
        await drone.ReachAsync(woken.Holder.Identity, BackendStatus.Terminated);
        var again = await Grain(plane).Enter(Enter(service, cluster, "room-1"));
        Assert.True(again.Holder!.Identity.Token > woken.Holder.Identity.Token);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task The_same_command_again_finds_what_it_started(On on)
    {
        var (plane, cluster, drone, service) = await StartAsync(on);
        var command = Enter(service, cluster, "room");
        var first = await Grain(plane).Enter(command);
        Assert.Equal(first.Holder!.Identity, (await Grain(plane).Enter(command)).Holder!.Identity);
        Assert.Single(await drone.ActionsAsync());
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task Many_visitors_at_once_wake_one_backend(On on)
    {
        var (plane, cluster, drone, service) = await StartAsync(on);
        var replies = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Grain(plane).Enter(Enter(service, cluster, "hot") with { ClientNetwork = $"10.0.{i}.0/24" })));
        Assert.All(replies, r => Assert.Equal((EnterOutcome.Entered, replies[0].Holder!.Identity), (r.Outcome, r.Holder!.Identity)));
        Assert.Single(await drone.ActionsAsync());
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_label_that_is_a_hash_is_known_once_it_was_connected_to(On on)
    {
        var (plane, cluster, _, service) = await StartAsync(on);
        var key = new KeyConfig { Name = "Room 1", Namespace = "team" };
        var label = ServiceLabel.Of(service, key);
        Assert.Equal(EnterOutcome.NoSuchLabel, (await Grain(plane).Enter(Enter(service, cluster, label))).Outcome);

        var connected = await Grain(plane).Connect(Connect(service, cluster, key));
        var entered = await Grain(plane).Enter(Enter(service, cluster, label));

        Assert.Equal(connected.Holder!.Identity, entered.Holder!.Identity);
        Assert.Equal(key, entered.Key);

        // Or by a visitor whose token names the key.
        var other = key with { Name = "Room 2" };
        var named = await Grain(plane).Enter(Enter(service, cluster, ServiceLabel.Of(service, other)) with { Key = other });
        Assert.Equal((EnterOutcome.Entered, other), (named.Outcome, named.Key));
        Assert.Equal(named.Holder!.Identity, (await Grain(plane).Enter(Enter(service, cluster, ServiceLabel.Of(service, other)))).Holder!.Identity);
    }

    [Fact]
    public async Task An_unknown_service_or_one_of_another_cluster_is_not_entered()
    {
        var (plane, cluster, _, service) = await StartAsync(On.Sqlite, c => c with { SpawnConfig = c.SpawnConfig with { Cluster = "elsewhere.test" } });
        Assert.Equal(EnterOutcome.NoSuchService, (await Grain(plane).Enter(Enter(service, cluster, "room"))).Outcome);
        Assert.Equal(EnterOutcome.NoSuchService, (await Grain(plane).Enter(Enter(ServiceName.Parse("none"), cluster, "room"))).Outcome);
        Assert.Null(await Grain(plane).ReadAccess(service, cluster));
        Assert.NotNull(await Grain(plane).ReadAccess(service, ClusterName.Parse("elsewhere.test")));
        Assert.Null(await Grain(plane).ReadAccess(ServiceName.Parse("none"), cluster));
    }

    [Fact]
    public async Task A_session_of_another_cluster_is_refused()
    {
        var (plane, cluster, _, service) = await StartAsync(On.Sqlite);
        await Grain(plane).Enter(Enter(service, cluster, "room"));
        var reply = await Grain(plane).Enter(Enter(service, plane.NewCluster(), "room"));
        Assert.Equal((EnterOutcome.Refused, (ErrorKind?)ErrorKind.KeyHeld), (reply.Outcome, reply.Refusal));
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_full_service_refuses_and_starts_nothing(On on)
    {
        var (plane, cluster, _, service) = await StartAsync(on, c => c with { MaxBackends = 1 });
        await Grain(plane).Enter(Enter(service, cluster, "one"));
        var reply = await Grain(plane).Enter(Enter(service, cluster, "two"));
        Assert.Equal((EnterOutcome.Refused, (ErrorKind?)ErrorKind.ServiceFull), (reply.Outcome, reply.Refusal));
        var connect = await Grain(plane).Connect(Connect(service, cluster, new KeyConfig { Name = "two" }));
        Assert.Equal(ErrorKind.ServiceFull, connect.Refusal);
        Assert.Equal(EnterOutcome.Entered, (await Grain(plane).Enter(Enter(service, cluster, "one"))).Outcome);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_crash_loop_is_told_to_visitors_without_what_the_backend_wrote_and_to_operators_with_it(On on)
    {
        var (plane, cluster, drone, service) = await StartAsync(on);
        EnterReply visitor;
        ConnectResult operators;

        // On a busy machine the first rests may be over before the next call: each is twice as long.
        while (true)
        {
            visitor = await Grain(plane).Enter(Enter(service, cluster, "room"));
            operators = await Grain(plane).Connect(Connect(service, cluster, new KeyConfig { Name = "room" }));
            if (operators.Holder is null)
            {
                break;
            }

            var identity = operators.Holder.Identity;
            var reply = await drone.ReportAsync(drone.Event(identity, BackendStatus.Terminated, exitCode: 3) with { OutputTail = "password wrong" });
            Assert.True(Assert.Single(reply.Acks).Applied);
        }

        Assert.Equal((EnterOutcome.Refused, (ErrorKind?)ErrorKind.CrashLoop), (visitor.Outcome, visitor.Refusal));
        Assert.True(visitor.RetryAfter > TimeSpan.Zero);
        Assert.DoesNotContain("password", visitor.Message, StringComparison.Ordinal);
        Assert.Equal((ErrorKind?)ErrorKind.CrashLoop, operators.Refusal);
        Assert.Equal("password wrong", operators.OutputTail);
        Assert.Matches("the last [0-9]+ backends", operators.Message);
        Assert.Contains("code 3", operators.Message, StringComparison.Ordinal);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_change_of_the_service_counts_for_the_next_start(On on)
    {
        var (plane, cluster, drone, service) = await StartAsync(on);
        await Grain(plane).Enter(Enter(service, cluster, "one"));

        // Past the controller's own memory, as another controller would change it.
        await plane.Store.PutServiceAsync(service, Config() with { SpawnConfig = Commands.Spawn() with { Executable = new Executable { Command = ["newer"] } } }, default);
        await Grain(plane).Enter(Enter(service, cluster, "two"));

        Assert.Equal(["run", "newer"], (await drone.ActionsAsync()).Select(a => a.Spawn!.Executable.Command![0]));
        await plane.Store.DeleteServiceAsync(service, keepBackends: true, default);
        Assert.Equal(EnterOutcome.NoSuchService, (await Grain(plane).Enter(Enter(service, cluster, "three"))).Outcome);
    }

    [Fact]
    public async Task Visitors_of_one_network_start_so_many_at_once_and_others_go_on()
    {
        var (plane, cluster, _, service) = await StartAsync(On.Sqlite);
        await Grain(plane).Enter(Enter(service, cluster, "room"));
        var replies = await Task.WhenAll(Enumerable.Range(0, 4 * WakeLimiter.NetworkBurst)
            .Select(i => Grain(plane).Enter(Enter(service, cluster, $"room-{i}") with { ClientNetwork = "198.51.100.0/24" })));

        var refused = replies.Where(r => r.Outcome == EnterOutcome.Refused).ToArray();
        Assert.NotEmpty(refused);
        Assert.All(refused, r => Assert.Equal((ErrorKind?)ErrorKind.WakeLimited, r.Refusal));
        Assert.All(refused, r => Assert.True(r.RetryAfter > TimeSpan.Zero));
        Assert.Equal(EnterOutcome.Entered, (await Grain(plane).Enter(Enter(service, cluster, "room") with { ClientNetwork = "198.51.100.0/24" })).Outcome);
        Assert.Equal(EnterOutcome.Entered, (await Grain(plane).Enter(Enter(service, cluster, "another") with { ClientNetwork = "192.0.2.0/24" })).Outcome);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task Access_comes_with_keys_and_follows_every_change(On on)
    {
        var (plane, cluster, _, service) = await StartAsync(on, c => c with
        {
            Access = ServiceAccess.Signed,
            SpawnConfig = c.SpawnConfig with { AllowedOrigins = ["https://a.example"], Embed = true },
        });
        var key = new SigningKey { Kid = "k1", Alg = SigningAlgorithm.HS256, Material = RandomText.Secret() };
        var proxy = plane.Proxy(ProxyName.NewRandom());
        var position = (await proxy.ReadChanges(cluster, null, TimeSpan.Zero)).Next;
        await plane.Store.AddSigningKeyAsync(service, key, default);

        var change = await Eventually.SeenAsync(
            async token => await proxy.ReadChanges(cluster, position, TimeSpan.FromSeconds(2), token), p => p.Changes.Any(c => c.Service == service), "the proxy hears of it");
        var access = await Grain(plane).ReadAccess(service, cluster);

        Assert.Equal(ServiceAccess.Signed, access!.Access);
        Assert.Equal(key, Assert.Single(access.SigningKeys));
        Assert.Equal(["https://a.example"], access.AllowedOrigins);
        Assert.True(access.Embed);
        Assert.True(access.ReadAt >= change.Changes.First(c => c.Service == service).Position);
        var others = await plane.Proxy(ProxyName.NewRandom()).ReadChanges(plane.NewCluster(), position, TimeSpan.Zero);
        Assert.Contains(others.Changes, c => c.Service == service);
    }

    [Fact]
    public async Task A_waiting_proxy_of_any_cluster_is_woken_by_a_change_of_a_service()
    {
        var (plane, cluster, _, service) = await StartAsync(On.Sqlite);
        var proxy = plane.Proxy(ProxyName.NewRandom());
        var position = await Eventually.SeenAsync(
            async token => await proxy.ReadChanges(cluster, (await proxy.ReadChanges(cluster, null, TimeSpan.Zero, token)).Next, TimeSpan.FromMilliseconds(50), token),
            p => p.Changes.Length == 0,
            "nothing more comes");
        var waiting = proxy.ReadChanges(cluster, position.Next, TimeSpan.FromSeconds(5));
        await plane.Store.DeleteServiceAsync(service, keepBackends: false, default);
        Assert.Equal((ChangeKind.Service, BackendStatus.Terminated), ((await waiting).Changes[^1].Kind, (await waiting).Changes[^1].Status!.Value));
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_cluster_client_connects_by_a_service_and_is_answered_once(On on)
    {
        var (plane, cluster, drone, service) = await StartAsync(on);
        var key = new KeyConfig { Name = "room", Namespace = "team" };
        var request = new ConnectRequest { Key = key, Service = service, User = "ada", RequestId = Guid.NewGuid().ToString() };
        var command = ConnectCommand.For(request, cluster);

        var first = await Grain(plane).Connect(command);
        var repeat = await Grain(plane).Connect(ConnectCommand.For(request, cluster));

        Assert.True(first.Spawned);
        Assert.Equal(first.Holder!.Identity, repeat.Holder!.Identity);
        Assert.Equal((key, command.Drawn.Token), (repeat.Earlier!.Key, repeat.Earlier.Token));
        Assert.Equal(ServiceKeys.Within(service, key), Assert.Single(await drone.ActionsAsync()).Spawn!.Key);
        Assert.Equal("ada", (await RouteAsync(plane, drone, first.Holder, command.Drawn.Token)).User);
    }

    [Fact]
    public async Task A_command_that_names_a_service_is_for_the_grain_of_services_and_one_that_does_not_is_not()
    {
        var (plane, cluster, _, service) = await StartAsync(On.Sqlite);
        var command = Connect(service, cluster, new KeyConfig { Name = "room" });
        Assert.Equal(ErrorKind.InvalidRequest, (await plane.ConnectAsync(command)).Refusal);
        Assert.Equal(ErrorKind.InvalidRequest, (await Grain(plane).Connect(With(r => r with { Service = null }))).Refusal);
        Assert.Equal(ErrorKind.InvalidRequest, (await Grain(plane).Connect(With(r => r with { SpawnConfig = Commands.Spawn() }))).Refusal);
        Assert.Equal(ErrorKind.NotFound, (await Grain(plane).Connect(With(r => r with { Service = ServiceName.Parse("none") }))).Refusal);

        ConnectCommand With(Func<ConnectRequest, ConnectRequest> change) => command with { Request = change(command.Request) };
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_plain_connect_joins_a_key_of_a_service_and_starts_none(On on)
    {
        var (plane, cluster, _, service) = await StartAsync(on);
        var key = new KeyConfig { Name = "room", Namespace = service.Value };
        Assert.Equal(ErrorKind.InvalidRequest, (await plane.ConnectAsync(Commands.Connect(key, cluster, Commands.Spawn()))).Refusal);
        var woken = await Grain(plane).Enter(Enter(service, cluster, "room"));
        Assert.Equal(woken.Holder!.Identity, (await plane.ConnectedAsync(Commands.Connect(key, cluster, Commands.Spawn()))).Identity);
        Assert.Equal(ErrorKind.InvalidRequest, (await plane.ConnectAsync(Commands.Connect(key with { Namespace = ".plane/warm/x" }, cluster))).Refusal);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_key_that_the_visitors_token_does_not_open_is_not_started(On on)
    {
        var (plane, cluster, drone, service) = await StartAsync(on);
        var key = new KeyConfig { Name = "Room 1", Namespace = "team" };
        var label = ServiceLabel.Of(service, key);
        await plane.Store.KeepLabelAsync(service, label, key, default);
        var enter = Enter(service, cluster, label);
        KeyScope[] others = [new() { Namespace = "team", Prefixes = ["room"] }, new() { Prefixes = [""] }, new() { Namespace = "team", Names = ["Room"] }, new() { Namespace = "team" }];
        foreach (var scope in others)
        {
            Assert.Equal(EnterOutcome.OutOfScope, (await Grain(plane).Enter(enter with { Scope = scope })).Outcome);
        }

        Assert.Empty(await drone.ActionsAsync());
        var entered = await Grain(plane).Enter(enter with { Scope = new KeyScope { Namespace = "team", Prefixes = ["Room"] } });
        Assert.Equal((EnterOutcome.Entered, key), (entered.Outcome, entered.Key));
    }

    [Fact]
    public async Task An_enter_command_that_breaks_a_rule_is_refused()
    {
        var (plane, cluster, _, service) = await StartAsync(On.Sqlite);
        var valid = Enter(service, cluster, "room");
        EnterCommand[] bad =
        [
            valid with { Label = "Room" }, valid with { Label = "xn" }, valid with { Label = null! }, valid with { Service = default }, valid with { Cluster = default },
            valid with { Key = new KeyConfig { Name = "other" } }, valid with { Key = new KeyConfig { Name = "room", Tag = "t" } }, valid with { Token = default },
            valid with { Token = BearerToken.NewStatic() }, valid with { SecretToken = "" }, valid with { BackendId = default }, valid with { ClientNetwork = "" },
            valid with { ClientNetwork = new string('1', 65) },
            valid with { Scope = new KeyScope { Names = [.. Enumerable.Repeat("n", KeyScope.MaxNames + 1)] } }, valid with { Scope = new KeyScope { Names = [""] } },
            valid with { Scope = new KeyScope { Prefixes = ["a\n"] } }, valid with { Scope = new KeyScope { Names = null! } }, valid with { Scope = new KeyScope { Namespace = null! } },
        ];
        foreach (var command in bad)
        {
            await Assert.ThrowsAsync<InvalidCallException>(() => Grain(plane).Enter(command));
        }

        await Assert.ThrowsAsync<InvalidCallException>(() => plane.Client.GetGrain<IServiceGrain>("board").ReadAccess(service, cluster));
    }

    [Fact]
    public void Buckets_of_the_limiter_are_bounded_and_fill_again()
    {
        var time = new ManualTime();
        var limiter = new WakeLimiter(time);
        var service = ServiceName.Parse("board");
        for (var i = 0; i < WakeLimiter.NetworkBurst; i++)
        {
            Assert.Null(limiter.TryTake(service, "a"));
        }

        Assert.InRange(limiter.TryTake(service, "a")!.Value, TimeSpan.FromMilliseconds(1), TimeSpan.FromSeconds(1));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(limiter.TryTake(service, "a"));

        for (var i = 0; i < 120_000; i++)
        {
            time.Advance(TimeSpan.FromMilliseconds(50));
            limiter.TryTake(service, $"n{i}");
        }

        Assert.InRange(limiter.Count, 1, 100_001);
        for (var i = 0; i < WakeLimiter.ServiceBurst; i++)
        {
            limiter.TryTake(service, $"m{i}");
        }

        Assert.NotNull(limiter.TryTake(service, "another"));
        Assert.Null(limiter.TryTake(ServiceName.Parse("other"), "another"));
    }

    private static ServiceConfig Config() => new() { SpawnConfig = Commands.Spawn(), Access = ServiceAccess.Public };

    private static IServiceGrain Grain(GrainCluster plane) => plane.Client.GetGrain<IServiceGrain>(GrainKeys.Service());

    private static EnterCommand Enter(ServiceName service, ClusterName cluster, string label) => new()
    {
        Service = service,
        Cluster = cluster,
        Label = label,
        Token = BearerToken.NewRandom(),
        SecretToken = RandomText.Secret(),
        BackendId = BackendName.NewRandom(),
        ClientNetwork = $"203.0.{Interlocked.Increment(ref s_services)}.0/24",
    };

    private static ConnectCommand Connect(ServiceName service, ClusterName cluster, KeyConfig key) =>
        ConnectCommand.For(new ConnectRequest { Key = key, Service = service }, cluster);

    private static async Task<Route> RouteAsync(GrainCluster plane, TestDrone drone, HolderInfo holder, BearerToken token)
    {
        await drone.ReachAsync(holder.Identity, BackendStatus.Ready);
        return (await plane.Store.ResolveAsync(token.Hash(), default)).Route!;
    }

    private async Task<(GrainCluster Plane, ClusterName Cluster, TestDrone Drone, ServiceName Service)> StartAsync(
        On on, Func<ServiceConfig, ServiceConfig>? more = null)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var service = ServiceName.Parse($"s{Interlocked.Increment(ref s_services)}");
        await plane.Store.PutServiceAsync(service, more?.Invoke(Config()) ?? Config(), default);
        return (plane, cluster, await TestDrone.RegisterAsync(plane, cluster, maxBackends: 10_000), service);
    }
}
