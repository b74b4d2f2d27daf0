using Plane.Testing;

namespace Plane.Tests.Grains;

public sealed class DroneTests(GrainClusters clusters) : IClassFixture<GrainClusters>
{
    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_registration_gives_a_session_the_installation_and_the_lease_numbers(On on)
    {
        var plane = await clusters.OfAsync(on);
        var registration = TestDrone.Describe(plane.NewCluster());
        var reply = await plane.Client.GetGrain<IDroneGrain>(GrainKeys.Drone(registration.Cluster, registration.Name)).Register(registration);
        Assert.Equal(RegistrationOutcome.Accepted, reply.Outcome);
        Assert.NotNull(reply.Session);
        Assert.Equal(plane.Store.InstallationId, reply.InstallationId);
        Assert.Equal(plane.Numbers, reply.Numbers);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task Another_instance_under_a_live_name_is_refused(On on)
    {
        var plane = await clusters.OfAsync(on);
        var drone = await TestDrone.RegisterAsync(plane, plane.NewCluster());
        var reply = await drone.Grain.Register(drone.Registration with { InstanceId = "another" });
        Assert.Equal(RegistrationOutcome.NameInUse, reply.Outcome);
        Assert.Null(reply.Session);
        Assert.Equal(SessionState.Current, await drone.HeartbeatAsync());
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_drone_of_another_installation_is_refused(On on)
    {
        var plane = await clusters.OfAsync(on);
        var registration = TestDrone.Describe(plane.NewCluster()) with { InstallationId = "elsewhere" };
        var reply = await plane.Client.GetGrain<IDroneGrain>(GrainKeys.Drone(registration.Cluster, registration.Name)).Register(registration);
        Assert.Equal(RegistrationOutcome.ForeignInstallation, reply.Outcome);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_replaced_session_is_told_in_every_call(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var older = await TestDrone.RegisterAsync(plane, cluster);
        var identity = await plane.SpawnedAsync(cluster);
        var newer = await TestDrone.RegisterAsync(plane, older.Registration);

        Assert.Equal(SessionState.Replaced, await older.HeartbeatAsync());
        Assert.Equal(SessionState.Replaced, (await older.Grain.ReadActions(older.Session, 0, TimeSpan.Zero)).Session);
        Assert.Equal(SessionState.Replaced, await older.Grain.AcknowledgeActions(older.Session, 1));
        var reply = await older.ReportAsync(older.Event(identity, BackendStatus.Ready));
        Assert.Equal(SessionState.Replaced, reply.Session);
        Assert.Empty(reply.Acks);
        Assert.Equal(SessionState.Current, await newer.HeartbeatAsync());
        Assert.Equal(BackendStatus.Scheduled, (await plane.Backend(identity).Describe())!.Status);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_session_that_is_replaced_while_it_waits_for_actions_is_told_at_once(On on)
    {
        var plane = await clusters.OfAsync(on);
        var older = await TestDrone.RegisterAsync(plane, plane.NewCluster());
        var waiting = older.Grain.ReadActions(older.Session, 0, TimeSpan.FromSeconds(5));
        await TestDrone.RegisterAsync(plane, older.Registration);
        Assert.Equal(SessionState.Replaced, (await Eventually.EndsAsync(waiting, "the answer")).Session);
    }

    [Fact]
    public async Task A_session_that_nobody_knows_is_told_so()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var registration = TestDrone.Describe(plane.NewCluster());
        var page = await plane.Client.GetGrain<IDroneGrain>(GrainKeys.Drone(registration.Cluster, registration.Name))
            .ReadActions(new DroneSession(registration.Cluster, registration.Name, 1), 0, TimeSpan.Zero);
        Assert.Equal(SessionState.Unknown, page.Session);
    }

    public static TheoryData<string, DroneRegistration> BrokenRegistrations()
    {
        var good = TestDrone.Describe(ClusterName.Parse("broken.test"));
        return new TheoryData<string, DroneRegistration>
        {
            { "kinds", good with { Kinds = [] } },
            { "kinds", good with { Kinds = [ExecutorKind.Docker, ExecutorKind.Docker] } },
            { "max_backends", good with { MaxBackends = 0 } },
            { "max_backends", good with { MaxBackends = 100_001 } },
            { "instance_id", good with { InstanceId = "" } },
            { "instance_id", good with { InstanceId = new string('x', 65) } },
            { "boot_id", good with { BootId = "a\0b" } },
            { "pool", good with { Pool = new string('x', 256) } },
            { "version", good with { Version = "" } },
            { "reading", good with { Reading = -1 } },
        };
    }

    [Theory, MemberData(nameof(BrokenRegistrations), DisableDiscoveryEnumeration = true)]
    public async Task A_registration_that_breaks_a_rule_is_refused_and_names_the_field(string field, DroneRegistration registration)
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var reply = await plane.Client.GetGrain<IDroneGrain>(GrainKeys.Drone(registration.Cluster, registration.Name)).Register(registration);
        Assert.Equal(RegistrationOutcome.Invalid, reply.Outcome);
        Assert.StartsWith(field, reply.Message);
    }

    [Fact]
    public async Task A_session_of_another_drone_is_refused()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        var a = await TestDrone.RegisterAsync(plane, cluster);
        var b = await TestDrone.RegisterAsync(plane, cluster);
        await Assert.ThrowsAsync<InvalidCallException>(() => a.Grain.ReadActions(b.Session, 0, TimeSpan.Zero));
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task Actions_come_in_order_without_gaps_and_once_acknowledged_no_more(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var identities = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => plane.SpawnedAsync(cluster)));

        var actions = await drone.ActionsAsync();
        Assert.Equal(identities.Length, actions.Length);
        Assert.Equal(Enumerable.Range(0, 10).Select(i => actions[0].Number + i), actions.Select(a => a.Number));
        Assert.Equal(identities.ToHashSet(), actions.Select(a => a.Identity).ToHashSet());

        Assert.Equal(SessionState.Current, await drone.Grain.AcknowledgeActions(drone.Session, actions[3].Number));
        Assert.Equal(actions.Skip(4).Select(a => a.Number), (await drone.ActionsAsync()).Select(a => a.Number));
        Assert.Equal(actions.Skip(7).Select(a => a.Number), (await drone.ActionsAsync(after: actions[6].Number)).Select(a => a.Number));
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_waiting_drone_gets_an_action_when_there_is_one(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        for (var round = 0; round < 5; round++)
        {
            var waiting = drone.Grain.ReadActions(drone.Session, round, TimeSpan.FromSeconds(5));
            var identity = await plane.SpawnedAsync(cluster);
            var page = await Eventually.EndsAsync(waiting, "the spawn");
            Assert.Equal(identity, Assert.Single(page.Actions).Identity);
        }
    }

    [Fact]
    public async Task A_drone_with_nothing_to_do_gets_an_empty_answer_after_its_time()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var drone = await TestDrone.RegisterAsync(plane, plane.NewCluster());
        var page = await drone.Grain.ReadActions(drone.Session, 0, TimeSpan.FromMilliseconds(50));
        Assert.Equal(SessionState.Current, page.Session);
        Assert.Empty(page.Actions);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_terminate_queues_behind_the_spawn(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var identity = await plane.SpawnedAsync(cluster);

        Assert.Equal(ChangeOutcome.Changed, await plane.Backend(identity).Terminate(TerminationKind.Soft));
        Assert.Equal(ChangeOutcome.Unchanged, await plane.Backend(identity).Terminate(TerminationKind.Soft));
        Assert.Equal(ChangeOutcome.Changed, await plane.Backend(identity).Terminate(TerminationKind.Hard));
        Assert.Equal(ChangeOutcome.Unchanged, await plane.Backend(identity).Terminate(TerminationKind.Soft));

        var actions = await drone.ActionsAsync();
        Assert.Equal([DroneActionKind.Spawn, DroneActionKind.Terminate, DroneActionKind.Terminate], actions.Select(a => a.Kind));
        Assert.Equal([TerminationKind.Soft, TerminationKind.Hard], actions.Skip(1).Select(a => a.Terminate!.Kind));
        Assert.All(actions.Skip(1), a => Assert.Equal(TerminationReason.External, a.Terminate!.Reason));
        Assert.All(actions, a => Assert.Equal(identity, a.Identity));
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_drained_drone_gets_no_backends_until_it_is_undrained(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drained = await TestDrone.RegisterAsync(plane, cluster);
        await plane.SpawnedAsync(cluster);
        var other = await TestDrone.RegisterAsync(plane, cluster);

        Assert.Equal(ChangeOutcome.Changed, await drained.Grain.Drain(terminate: false));
        Assert.Equal(ChangeOutcome.Unchanged, await drained.Grain.Drain(terminate: false));
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(other.Name, (await plane.ConnectedAsync(Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn()))).Drone);
        }

        Assert.Single(await drained.ActionsAsync());
        Assert.Equal(ChangeOutcome.Changed, await drained.Grain.Undrain());
        await other.Grain.Drain(terminate: false);
        Assert.Equal(drained.Name, (await plane.ConnectedAsync(Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn()))).Drone);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_drain_that_terminates_ends_softly_what_runs(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var running = new[] { await plane.SpawnedAsync(cluster), await plane.SpawnedAsync(cluster) };
        var ended = await plane.SpawnedAsync(cluster);
        await drone.ReachAsync(ended, BackendStatus.Terminated);

        await drone.Grain.Drain(terminate: true);

        var ends = (await drone.ActionsAsync()).Where(a => a.Kind == DroneActionKind.Terminate).ToArray();
        Assert.Equal(running.ToHashSet(), ends.Select(a => a.Identity).ToHashSet());
        Assert.All(ends, a => Assert.Equal(TerminationKind.Soft, a.Terminate!.Kind));
    }

    [Fact]
    public async Task Draining_an_unknown_drone_finds_nothing()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var grain = plane.Client.GetGrain<IDroneGrain>(GrainKeys.Drone(plane.NewCluster(), DroneName.NewRandom()));
        Assert.Equal(ChangeOutcome.NotFound, await grain.Drain(terminate: false));
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task The_clusters_state_tells_its_drones(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster, pool: "gpu", maxBackends: 3);
        await plane.SpawnedAsync(cluster, Commands.Spawn("gpu"));
        var state = Assert.Single((await plane.Store.ReadClusterAsync(cluster, default)).Drones);
        Assert.True(state.Ready);
        Assert.False(state.Draining);
        Assert.Equal((1, 3, "gpu"), (state.BackendCount, state.MaxBackends, state.Pool));
        Assert.Equal(drone.Name.Value, state.Node.Name);
    }
}
