namespace Plane.Tests.Grains;

/// <summary>Two activations of every grain at once, as a cluster may have for a moment: two clusters on one database that know nothing of each other.</summary>
public sealed class DuplicateTests(DuplicateTests.Pair pair) : IClassFixture<DuplicateTests.Pair>
{
    private GrainCluster A => pair.A;

    private GrainCluster B => pair.B;

    [Fact]
    public async Task Connects_through_both_activations_of_a_key_acquire_it_once()
    {
        var cluster = A.NewCluster();
        var drone = await TestDrone.RegisterAsync(A, cluster);
        for (var round = 0; round < 5; round++)
        {
            var key = Commands.NewKey();
            var all = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => (i % 2 == 0 ? A : B).ConnectAsync(Commands.Connect(key, cluster, Commands.Spawn()))));
            Assert.All(all, r => Assert.Null(r.Refusal));
            Assert.Single(all.Select(r => r.Holder!.Identity).Distinct());
            Assert.Single(all, r => r.Spawned);
            Assert.Single(await drone.ActionsAsync(), a => a.Spawn?.Key == key);
        }
    }

    [Fact]
    public async Task A_command_repeated_at_the_other_activation_finds_its_own_backend()
    {
        var cluster = A.NewCluster();
        var drone = await TestDrone.RegisterAsync(A, cluster);
        var command = Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn());
        var first = await A.ConnectedAsync(command);
        var again = await B.ConnectedAsync(command);
        Assert.Equal(first.Identity, again.Identity);
        Assert.Single(await drone.ActionsAsync());
    }

    [Fact]
    public async Task A_key_that_was_released_behind_an_activations_back_is_not_given_out_from_memory()
    {
        var cluster = A.NewCluster();
        var drone = await TestDrone.RegisterAsync(A, cluster);
        var key = Commands.NewKey();
        var first = await A.ConnectedAsync(Commands.Connect(key, cluster, Commands.Spawn()));
        await drone.Through(B).ReachAsync(first.Identity, BackendStatus.Terminated, TerminationReason.Swept);
        var second = await B.ConnectedAsync(Commands.Connect(key, cluster, Commands.Spawn()));
        var third = await A.ConnectedAsync(Commands.Connect(key, cluster, Commands.Spawn()));
        Assert.NotEqual(first.Identity.Backend, second.Identity.Backend);
        Assert.True(second.Identity.Token.Value > first.Identity.Token.Value);
        Assert.Equal(second.Identity, third.Identity);
    }

    [Fact]
    public async Task A_backend_moves_forward_only_whichever_activation_hears_of_it()
    {
        var cluster = A.NewCluster();
        var drone = await TestDrone.RegisterAsync(A, cluster);
        var holder = await A.ConnectedAsync(Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn()));
        var backend = holder.Identity;
        await drone.ReachAsync(backend, BackendStatus.Ready);
        var end = drone.Event(backend, BackendStatus.Terminated, TerminationReason.Swept);
        var acks = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => drone.Through(i % 2 == 0 ? A : B).ReportAsync(end)));
        Assert.Contains(acks, a => a.Acks[0].Applied);

        // It was applied before, and reports it; it changes nothing.
        await drone.Through(B).ReportAsync(drone.Event(backend, BackendStatus.Ready));
        foreach (var plane in new[] { A, B })
        {
            var page = await plane.Backend(backend).ReadStatus(null, TimeSpan.Zero);
            Assert.Equal(BackendStatus.Terminated, page.Entries[^1].Status);
            Assert.Single(page.Entries, e => e.Status == BackendStatus.Terminated);
        }
    }

    [Fact]
    public async Task A_wait_at_one_activation_of_a_backend_hears_what_the_other_did()
    {
        var cluster = A.NewCluster();
        var drone = await TestDrone.RegisterAsync(A, cluster);
        var backend = (await A.ConnectedAsync(Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn()))).Identity;
        await drone.ReachAsync(backend, BackendStatus.Ready);
        var waiting = B.Backend(backend).ReadStatus(BackendStatus.Ready, TimeSpan.FromSeconds(5));
        await drone.ReachAsync(backend, BackendStatus.Terminated, TerminationReason.Swept);
        Assert.Equal(BackendStatus.Terminated, Assert.Single((await waiting).Entries).Status);
    }

    [Fact]
    public async Task Ends_asked_for_at_both_activations_are_one_and_hard_after_soft_is_hard()
    {
        var cluster = A.NewCluster();
        var drone = await TestDrone.RegisterAsync(A, cluster);
        var backend = (await A.ConnectedAsync(Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn()))).Identity;
        await drone.ReachAsync(backend, BackendStatus.Ready);
        var soft = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => (i % 2 == 0 ? A : B).Backend(backend).Terminate(TerminationKind.Soft)));
        Assert.Single(soft, c => c == ChangeOutcome.Changed);
        Assert.Equal(ChangeOutcome.Changed, await B.Backend(backend).Terminate(TerminationKind.Hard));
        Assert.Equal(ChangeOutcome.Unchanged, await A.Backend(backend).Terminate(TerminationKind.Soft));
        var ends = (await drone.ActionsAsync()).Where(a => a.Kind == DroneActionKind.Terminate).ToArray();
        Assert.Equal(TerminationKind.Hard, ends[^1].Terminate!.Kind);
        Assert.Equal(ends, (await drone.Through(B).ActionsAsync()).Where(a => a.Kind == DroneActionKind.Terminate).ToArray());
    }

    [Fact]
    public async Task Two_instances_that_register_at_both_activations_of_a_drone_leave_one_session()
    {
        var cluster = A.NewCluster();
        var registration = TestDrone.Describe(cluster);
        var older = await TestDrone.RegisterAsync(A, registration);
        var newer = await TestDrone.RegisterAsync(B, registration);
        Assert.NotEqual(older.Session, newer.Session);
        Assert.Equal(SessionState.Replaced, await older.HeartbeatAsync());
        Assert.Equal(SessionState.Current, await newer.HeartbeatAsync());
        Assert.Equal(SessionState.Current, await newer.Through(A).HeartbeatAsync());

        var stranger = await B.Client.GetGrain<IDroneGrain>(GrainKeys.Drone(cluster, registration.Name)).Register(registration with { InstanceId = "another" });
        Assert.Equal(RegistrationOutcome.NameInUse, stranger.Outcome);
    }

    [Fact]
    public async Task Actions_are_read_and_acknowledged_at_either_activation_of_a_drone()
    {
        var cluster = A.NewCluster();
        var drone = await TestDrone.RegisterAsync(A, cluster);
        var waiting = drone.Through(B).ActionsAsync(wait: TimeSpan.FromSeconds(5));
        await A.ConnectedAsync(Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn()));
        var action = Assert.Single(await waiting);
        Assert.Equal(SessionState.Current, await drone.Grain.AcknowledgeActions(drone.Session, action.Number));
        Assert.Empty(await drone.Through(B).ActionsAsync());
        Assert.Equal(SessionState.Current, await drone.Through(B).Grain.AcknowledgeActions(drone.Session, action.Number));
    }

    /// <summary>The two clusters.</summary>
    public sealed class Pair : IAsyncLifetime
    {
        public GrainCluster A { get; private set; } = null!;

        public GrainCluster B { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            A = await GrainCluster.StartAsync(On.Postgres);
            B = await A.StartBesideAsync();
        }

        public async Task DisposeAsync()
        {
            await B.DisposeAsync();
            await A.DisposeAsync();
        }
    }
}
