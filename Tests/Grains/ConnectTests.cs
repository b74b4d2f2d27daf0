using Microsoft.Extensions.DependencyInjection;
using Plane.Grains.Clusters;
using Plane.Grains.Keys;
using Plane.Grains.Metrics;
using Plane.Grains.Warm;
using Plane.Storage;

namespace Plane.Tests.Grains;

public sealed class ConnectTests(GrainClusters clusters) : IClassFixture<GrainClusters>
{
    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_connect_to_a_free_key_starts_a_backend_and_its_drone_gets_the_spawn(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var command = Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn());

        var result = await plane.ConnectAsync(command);

        Assert.Null(result.Refusal);
        Assert.True(result.Spawned);
        Assert.Equal(command.Drawn.BackendId, result.Holder!.Identity.Backend);
        Assert.Equal(drone.Name, result.Holder.Drone);
        Assert.Equal(BackendStatus.Scheduled, result.Holder.Status);
        var action = Assert.Single(await drone.ActionsAsync());
        Assert.Equal(DroneActionKind.Spawn, action.Kind);
        Assert.Equal(result.Holder.Identity, action.Identity);
        Assert.Equal(command.Key, action.Spawn!.Key);
        Assert.Equal(["run"], action.Spawn.Executable.Command!);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task The_deadlines_of_a_spawn_count_from_the_drones_last_reading(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        await drone.HeartbeatAsync(reading: 5_000_000);

        await plane.SpawnedAsync(cluster);

        var deadlines = Assert.Single(await drone.ActionsAsync()).Spawn!.Deadlines;
        Assert.Equal(plane.Numbers.DeadlinesFrom(5_000_000, drone.Registration.InstanceId, "boot-1"), deadlines);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_second_connect_returns_the_same_backend_with_a_token_of_its_own(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        await TestDrone.RegisterAsync(plane, cluster);
        var first = Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn());
        var second = Commands.Connect(first.Key, cluster, Commands.Spawn());

        var a = await plane.ConnectAsync(first);
        var b = await plane.ConnectAsync(second);

        Assert.True(a.Spawned);
        Assert.False(b.Spawned);
        Assert.Equal(a.Holder!.Identity, b.Holder!.Identity);
        foreach (var command in new[] { first, second })
        {
            var route = await plane.Store.ResolveAsync(command.Drawn.Token.Hash(), CancellationToken.None);
            Assert.Equal(RouteOutcome.Starting, route.Outcome);
        }
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_connect_with_another_tag_is_refused(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        await TestDrone.RegisterAsync(plane, cluster);
        var key = Commands.NewKey("blue");
        await plane.ConnectedAsync(Commands.Connect(key, cluster, Commands.Spawn()));

        var result = await plane.ConnectAsync(Commands.Connect(key with { Tag = "red" }, cluster, Commands.Spawn()));

        Assert.Equal(ErrorKind.KeyHeld, result.Refusal);
        Assert.Null(result.Holder);
    }

    [Fact]
    public async Task A_connect_to_a_free_key_without_spawn_config_is_refused()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var result = await plane.ConnectAsync(Commands.Connect(Commands.NewKey(), plane.NewCluster()));
        Assert.Equal(ErrorKind.KeyUnheldNoSpawnConfig, result.Refusal);
    }

    [Fact]
    public async Task A_spawn_without_a_cluster_is_refused()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var result = await plane.ConnectAsync(Commands.Connect(Commands.NewKey(), null, Commands.Spawn()));
        Assert.Equal(ErrorKind.NoClusterProvided, result.Refusal);
    }

    [Fact]
    public async Task A_command_that_breaks_a_rule_is_refused_and_names_the_field()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var spawn = Commands.Spawn() with { Executable = new Executable() };
        var result = await plane.ConnectAsync(Commands.Connect(Commands.NewKey(), plane.NewCluster(), spawn));
        Assert.Equal(ErrorKind.InvalidRequest, result.Refusal);
        Assert.StartsWith("spawn_config.executable ", result.Message);
    }

    [Fact]
    public async Task A_command_for_another_key_than_the_grains_is_refused()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var result = await plane.Key(Commands.NewKey()).Connect(Commands.Connect(Commands.NewKey(), plane.NewCluster(), Commands.Spawn()));
        Assert.Equal(ErrorKind.InvalidRequest, result.Refusal);
    }

    [Theory, InlineData("nonsense"), InlineData("3:a"), InlineData("0:")]
    public async Task A_grain_key_that_is_no_keys_fails_its_call_alone(string grainKey)
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var command = Commands.Connect(Commands.NewKey(), plane.NewCluster());
        await Assert.ThrowsAsync<InvalidCallException>(() => plane.Client.GetGrain<IKeyGrain>(grainKey).Connect(command));
        Assert.Equal(ErrorKind.KeyUnheldNoSpawnConfig, (await plane.ConnectAsync(command)).Refusal);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task Many_connects_to_one_new_key_at_once_make_one_backend_and_as_many_tokens(On on)
    {
        const int Callers = 100;
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        await TestDrone.RegisterAsync(plane, cluster);
        var key = Commands.NewKey();
        var commands = Enumerable.Range(0, Callers).Select(_ => Commands.Connect(key, cluster, Commands.Spawn())).ToArray();

        var results = await Task.WhenAll(commands.Select(plane.ConnectAsync));

        Assert.All(results, r => Assert.Null(r.Refusal));
        var identity = Assert.Single(results.Select(r => r.Holder!.Identity).Distinct());
        Assert.Single(results, r => r.Spawned);
        var routes = await Task.WhenAll(commands.Select(c => plane.Store.ResolveAsync(c.Drawn.Token.Hash(), CancellationToken.None)));
        Assert.All(routes, r => Assert.Equal(RouteOutcome.Starting, r.Outcome));
        Assert.Equal(identity, (await plane.Store.ReadHolderAsync(key, default))!.Identity);
        Assert.NotNull(drone);
    }

    [Fact]
    public async Task A_burst_of_connects_to_a_new_key_makes_few_acquisitions()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        await TestDrone.RegisterAsync(plane, cluster);
        var key = Commands.NewKey();
        var release = new TaskCompletionSource();
        plane.Faults.Hold(nameof(IPlaneStore.AcquireAsync), release.Task);

        var connects = Enumerable.Range(0, 50).Select(_ => plane.ConnectAsync(Commands.Connect(key, cluster, Commands.Spawn()))).ToArray();
        await Testing.Eventually.TrueAsync(() => plane.Faults.Calls(nameof(IPlaneStore.AcquireAsync)) > 0, "an acquisition");
        release.SetResult();
        var results = await Task.WhenAll(connects);

        Assert.Single(results, r => r.Spawned);
        Assert.Equal(1, plane.Faults.Calls(nameof(IPlaneStore.AcquireAsync)));
    }

    [Fact]
    public async Task A_hot_key_is_not_served_one_statement_at_a_time()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        await TestDrone.RegisterAsync(plane, cluster);
        var key = Commands.NewKey();
        var holder = await plane.ConnectedAsync(Commands.Connect(key, cluster, Commands.Spawn()));
        var release = new TaskCompletionSource();
        plane.Faults.Hold(nameof(IPlaneStore.IssueTokensAsync), release.Task);
        var statements = plane.Faults.Calls(nameof(IPlaneStore.IssueTokensAsync));

        var first = plane.ConnectAsync(Commands.Connect(key, cluster));
        await Testing.Eventually.TrueAsync(() => plane.Faults.Calls(nameof(IPlaneStore.IssueTokensAsync)) > statements, "the first statement");
        var others = Enumerable.Range(0, 200).Select(_ => plane.ConnectAsync(Commands.Connect(key, cluster))).ToArray();

        // A call of the same grain that is answered came after them on the one connection: they have arrived.
        await plane.Client.GetGrain<IBackendGrain>(holder.Identity.Backend.Value).Describe();
        release.SetResult();
        var results = await Task.WhenAll([first, .. others]);

        Assert.All(results, r => Assert.Equal(holder.Identity, r.Holder?.Identity));
        Assert.InRange(plane.Faults.Calls(nameof(IPlaneStore.IssueTokensAsync)) - statements, 2, 20);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task Two_activations_of_one_key_acquire_it_once(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        await TestDrone.RegisterAsync(plane, cluster);
        await using var left = new SecondSilo(plane);
        await using var right = new SecondSilo(plane);
        for (var round = 0; round < 10; round++)
        {
            var key = Commands.NewKey();

            var results = await Task.WhenAll(new[] { left, right, left, right }
                .Select(s => s.Connector.ConnectAsync(Commands.Connect(key, cluster, Commands.Spawn()), CancellationToken.None)));

            Assert.All(results, r => Assert.Null(r.Refusal));
            Assert.Single(results, r => r.Spawned);
            Assert.Single(results.Select(r => r.Holder!.Identity).Distinct());
        }
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_repeated_command_finds_the_backend_that_it_started(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var command = Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn());

        var first = await plane.ConnectAsync(command);
        var again = await plane.ConnectAsync(command);

        Assert.Equal(first, again);
        Assert.True(again.Spawned);
        Assert.Single(await drone.ActionsAsync());
    }

    [Fact]
    public async Task A_repeated_command_of_a_drawn_key_finds_the_backend_that_it_started()
    {
        // A drawn key skips the search for a holder: with another activation too, the acquisition must find the earlier one.
        var plane = await clusters.OfAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        await TestDrone.RegisterAsync(plane, cluster);
        var command = Commands.Connect(KeyConfig.NewRandom(), cluster, Commands.Spawn());
        await using var other = new SecondSilo(plane);

        var first = await plane.ConnectAsync(command);
        var again = await other.Connector.ConnectAsync(command, CancellationToken.None);

        Assert.Equal(first.Holder!.Identity, again.Holder!.Identity);
    }

    [Fact]
    public async Task A_drawn_key_that_is_held_after_all_leads_to_its_holder()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        await TestDrone.RegisterAsync(plane, cluster);
        var key = KeyConfig.NewRandom();
        var first = await plane.ConnectedAsync(Commands.Connect(key, cluster, Commands.Spawn()));
        await using var other = new SecondSilo(plane);

        var second = await other.Connector.ConnectAsync(Commands.Connect(key, cluster, Commands.Spawn()), CancellationToken.None);

        Assert.False(second.Spawned);
        Assert.Equal(first.Identity, second.Holder!.Identity);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_chosen_backend_id_that_was_used_before_is_refused(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        await TestDrone.RegisterAsync(plane, cluster);
        var spawn = Commands.Spawn() with { Id = BackendName.NewRandom() };
        await plane.ConnectedAsync(Commands.Connect(Commands.NewKey(), cluster, spawn));

        var result = await plane.ConnectAsync(Commands.Connect(Commands.NewKey(), cluster, spawn));

        Assert.Equal(ErrorKind.BackendIdTaken, result.Refusal);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_connect_to_a_holder_that_is_ending_tells_its_status(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var command = Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn());
        var holder = await plane.ConnectedAsync(command);
        await drone.ReachAsync(holder.Identity, BackendStatus.Ready);
        await drone.ReachAsync(holder.Identity, BackendStatus.Terminating, TerminationReason.External);

        var again = await plane.ConnectedAsync(Commands.Connect(command.Key, cluster, Commands.Spawn()));

        Assert.Equal(holder.Identity, again.Identity);
        Assert.Equal(BackendStatus.Terminating, again.Status);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_released_key_is_acquired_again_with_a_greater_fencing_token(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var key = Commands.NewKey();
        var first = await plane.ConnectedAsync(Commands.Connect(key, cluster, Commands.Spawn()));
        await drone.ReachAsync(first.Identity, BackendStatus.Terminated);
        Assert.Null(await plane.Store.ReadHolderAsync(key, default));

        var second = await plane.ConnectedAsync(Commands.Connect(key, cluster, Commands.Spawn()));

        Assert.NotEqual(first.Identity.Backend, second.Identity.Backend);
        Assert.True(second.Identity.Token > first.Identity.Token, $"{second.Identity.Token} after {first.Identity.Token}");
    }

    [Fact]
    public async Task A_backend_of_several_drones_goes_to_one_that_has_room()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        for (var i = 0; i < 4; i++)
        {
            await TestDrone.RegisterAsync(plane, cluster, maxBackends: 2);
        }

        var results = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => plane.ConnectAsync(Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn()))));

        Assert.All(results, r => Assert.True(r.Spawned, $"{r.Refusal}: {r.Message}"));
        Assert.All(results.CountBy(r => r.Holder!.Drone), d => Assert.Equal(2, d.Value));
        var ninth = await plane.ConnectAsync(Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn()));
        Assert.Equal(ErrorKind.NoDroneAvailable, ninth.Refusal);
        Assert.Contains("4 full", ninth.Message);
    }

    [Fact]
    public async Task No_drone_says_that_none_is_registered()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        await AssertNoDroneAsync(plane, plane.NewCluster(), Commands.Spawn(), "no drone is registered");
    }

    [Fact]
    public async Task No_drone_says_that_none_is_of_the_pool()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        await TestDrone.RegisterAsync(plane, cluster, pool: "cpu");
        await AssertNoDroneAsync(plane, cluster, Commands.Spawn("gpu"), "no drone of pool gpu");
    }

    [Fact]
    public async Task No_drone_says_that_none_runs_this_kind()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        await TestDrone.RegisterAsync(plane, cluster, kinds: ExecutorKind.Docker);
        await AssertNoDroneAsync(plane, cluster, Commands.Spawn(), "runs process executables");
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task No_drone_says_that_all_are_draining(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        await drone.Grain.Drain(terminate: false);
        await AssertNoDroneAsync(plane, cluster, Commands.Spawn(), "1 draining");
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task No_drone_says_that_all_are_silent(On on)
    {
        var numbers = LeaseOptions.Scaled(0.025);
        await using var plane = await GrainCluster.StartAsync(on, numbers);
        var cluster = plane.NewCluster();
        await TestDrone.RegisterAsync(plane, cluster);
        await Testing.Eventually.SeenAsync(
            t => plane.Store.ReadClusterAsync(cluster, t), s => !s.Drones.Single().Ready, "a drone without heartbeats that is not ready");
        await AssertNoDroneAsync(plane, cluster, Commands.Spawn(), "1 silent");
    }

    [Fact]
    public async Task A_drone_that_registers_is_found_at_once()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        await AssertNoDroneAsync(plane, cluster, Commands.Spawn(), "no drone");
        await TestDrone.RegisterAsync(plane, cluster);
        await plane.SpawnedAsync(cluster);
    }

    [Fact]
    public async Task A_database_that_is_away_is_said_so_and_the_same_command_works_later()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        await TestDrone.RegisterAsync(plane, cluster);
        var command = Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn());

        plane.Faults.Away(nameof(IPlaneStore.IssueTokensAsync), nameof(IPlaneStore.AcquireAsync));
        var away = await plane.ConnectAsync(command);
        plane.Faults.Back();
        var back = await plane.ConnectAsync(command);

        Assert.Equal(ErrorKind.DatabaseError, away.Refusal);
        Assert.True(back.Spawned);
    }

    private static async Task AssertNoDroneAsync(GrainCluster plane, ClusterName cluster, SpawnConfig spawn, string why)
    {
        var result = await plane.ConnectAsync(Commands.Connect(Commands.NewKey(), cluster, spawn));
        Assert.Equal(ErrorKind.NoDroneAvailable, result.Refusal);
        Assert.Contains(why, result.Message);
    }

    /// <summary>Another controller's connector, over the same store.</summary>
    private sealed class SecondSilo : IAsyncDisposable
    {
        private readonly TokenWriter _tokens;

        public SecondSilo(GrainCluster plane)
        {
            var metrics = new ControllerMetrics(new TestMeters());
            _tokens = new TokenWriter(plane.Store, TimeProvider.System, metrics);
            Connector = new KeyConnector(plane.Store, plane.Store, plane.Store, _tokens, new DronePicker(plane.Store, TimeProvider.System), plane.SiloServices.GetRequiredService<WarmClaims>(), metrics);
        }

        internal KeyConnector Connector { get; }

        public ValueTask DisposeAsync() => _tokens.DisposeAsync();
    }
}
