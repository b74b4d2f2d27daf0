namespace Plane.Tests.Storage;

public abstract partial class StoreSuite
{
    [Fact]
    public async Task A_registration_gives_a_session_the_installation_and_the_numbers()
    {
        var reply = await Store.RegisterDroneAsync(Registration(), Controller, default);
        Assert.Equal(new DroneSession(Cluster, Drone, 1), reply.Session);
        Assert.Equal(Store.InstallationId, reply.InstallationId);
        Assert.Equal(Numbers, reply.Numbers);
        Assert.All(Harness.Stores, s => Assert.Equal(Store.InstallationId, s.InstallationId));
    }

    [Fact]
    public async Task A_newer_registration_of_the_same_instance_replaces_the_older_session()
    {
        var first = await RegisterAsync();
        var second = await RegisterAsync();
        Assert.True(second.Number > first.Number);
        Assert.Equal(SessionState.Replaced, await Store.ReadSessionAsync(first, default));
        Assert.Equal(SessionState.Current, await Store.ReadSessionAsync(second, default));
        Assert.Equal(SessionState.Unknown, await Store.ReadSessionAsync(second with { Number = 99 }, default));
        Assert.Equal(SessionState.Unknown, await Store.ReadSessionAsync(new DroneSession(Cluster, DroneName.Parse("dr-none"), 1), default));
        Assert.Equal(SessionState.Replaced, (await Store.ReadActionsAsync(first, 0, 10, default)).Session);
        Assert.Equal(SessionState.Replaced, await Store.AcknowledgeActionsAsync(first, 10, default));
        Assert.Equal(
            SessionState.Replaced,
            await Store.HeartbeatDroneAsync(
                new DroneHeartbeat { Session = first, InstanceId = "instance-1", BootId = "boot-1", Reading = 9_000, Ready = true }, Controller, default));
    }

    [Fact]
    public async Task Another_instance_under_a_name_is_refused_until_the_heartbeat_is_old()
    {
        await RegisterAsync();
        var refused = await Store.RegisterDroneAsync(Registration(instance: "instance-2"), Controller, default);
        Assert.Equal(RegistrationOutcome.NameInUse, refused.Outcome);
        Assert.NotNull(refused.Message);
        await Harness.AdvanceAsync(Numbers.HeartbeatFresh + TimeSpan.FromSeconds(1));
        Assert.Equal(2, (await RegisterAsync(instance: "instance-2")).Number);
    }

    [Fact]
    public async Task Of_many_instances_that_register_one_name_at_once_one_gets_it()
    {
        var replies = await Task.WhenAll(Enumerable.Range(0, 30).Select(i => Pick(i).RegisterDroneAsync(Registration(instance: $"instance-{i}"), Controller, default)));
        Assert.Single(replies, r => r.Outcome == RegistrationOutcome.Accepted);
        Assert.Equal(29, replies.Count(r => r.Outcome == RegistrationOutcome.NameInUse));
    }

    [Fact]
    public async Task A_drone_of_another_installation_is_refused()
    {
        var reply = await Store.RegisterDroneAsync(Registration() with { InstallationId = "other" }, Controller, default);
        Assert.Equal(RegistrationOutcome.ForeignInstallation, reply.Outcome);
        reply = await Store.RegisterDroneAsync(Registration() with { InstallationId = Store.InstallationId }, Controller, default);
        Assert.Equal(RegistrationOutcome.Accepted, reply.Outcome);
    }

    [Fact]
    public async Task A_store_that_went_back_counts_its_actions_on_from_the_drones_last_one()
    {
        await RegisterAsync();
        var (one, two) = (await AcquireAsync("one"), await AcquireAsync("two"));
        var reply = await Store.RegisterDroneAsync(Registration() with { LastAction = 500 }, Controller, default);
        var three = await AcquireAsync("three");

        // What the drone has applied is acknowledged, and nothing of what it has not seen goes with it.
        Assert.Equal(SessionState.Current, await Store.AcknowledgeActionsAsync(reply.Session!, 500, default));
        var actions = await ActionsAsync(reply.Session!, after: 500);
        Assert.Equal([(501L, one.Identity), (502L, two.Identity), (503L, three.Identity)], actions.Select(a => (a.Number, a.Identity)));

        // A drone that is behind has not seen all yet: nothing moves back.
        var session = (await Store.RegisterDroneAsync(Registration() with { LastAction = 3 }, Controller, default)).Session!;
        var four = await AcquireAsync("four");
        Assert.Equal((504L, four.Identity), (await ActionsAsync(session, after: 503)).Select(a => (a.Number, a.Identity)).Single());
    }

    [Fact]
    public async Task A_drone_that_a_fresh_store_does_not_know_is_counted_on_from_its_last_action()
    {
        var session = (await Store.RegisterDroneAsync(Registration() with { LastAction = 70 }, Controller, default)).Session!;
        await AcquireAsync("one");
        Assert.Equal(71, Assert.Single(await ActionsAsync(session, after: 70)).Number);
    }

    [Fact]
    public async Task A_page_of_actions_ends_early_where_its_orders_are_large_and_nothing_is_left_out()
    {
        var session = await RegisterAsync();
        var env = Enumerable.Range(0, 30).ToDictionary(i => $"V{i}", _ => new string('x', 30_000));
        var expected = new List<BackendIdentity>();
        for (var i = 0; i < 11; i++)
        {
            expected.Add((await AcquireAsync(Command(Key($"large-{i}"), s => s with { Executable = s.Executable with { Env = env } }))).Identity);
        }

        var pages = new List<DroneAction[]>();
        for (var after = 0L; await ActionsAsync(session, after) is { Length: > 0 } page; after = page[^1].Number)
        {
            pages.Add(page);
        }

        Assert.Equal([5, 5, 1], pages.Select(p => p.Length));
        Assert.Equal(expected, pages.SelectMany(p => p).Select(a => a.Identity));
        Assert.Equal(3, (await ActionsAsync(session, limit: 3)).Length);
    }

    [Fact]
    public async Task Draining_survives_a_new_registration()
    {
        await RegisterAsync();
        Assert.Equal(ChangeOutcome.Changed, await Store.SetDrainingAsync(Cluster, Drone, true, false, default));
        Assert.Equal(ChangeOutcome.Unchanged, await Store.SetDrainingAsync(Cluster, Drone, true, false, default));
        await RegisterAsync();
        Assert.Empty(await Store.ListCandidatesAsync(Cluster, default));
        Assert.True((await Store.ReadClusterAsync(Cluster, default)).Drones.Single().Draining);
        Assert.Equal(ChangeOutcome.NotFound, await Store.SetDrainingAsync(Cluster, DroneName.Parse("dr-none"), true, false, default));
    }

    [Fact]
    public async Task Draining_with_terminate_queues_the_soft_end_of_what_runs()
    {
        var session = await RegisterAsync();
        var (one, two, ended) = (await AcquireAsync("one"), await AcquireAsync("two"), await AcquireAsync("ended"));
        await ApplyAsync(ended.Identity, BackendStatus.Terminated);
        Assert.Equal(ChangeOutcome.Changed, await Store.SetDrainingAsync(Cluster, Drone, true, true, default));
        var ends = (await ActionsAsync(session)).Where(a => a.Kind == DroneActionKind.Terminate).ToArray();
        Assert.Equal(new[] { one.Identity, two.Identity }.ToHashSet(), ends.Select(a => a.Identity).ToHashSet());
        Assert.All(ends, a => Assert.Equal(new TerminateOrder { Kind = TerminationKind.Soft, Reason = TerminationReason.External }, a.Terminate));
        Assert.Equal(ChangeOutcome.Unchanged, await Store.SetDrainingAsync(Cluster, Drone, true, true, default));
    }

    [Fact]
    public async Task A_spawn_action_carries_the_order_and_deadlines_counted_from_the_last_reading()
    {
        var session = await RegisterAsync();
        await HeartbeatAsync(session, reading: 7_777);

        // Overtaken on its way: the deadlines must not be counted from an older reading, nor the newer one be forgotten.
        await HeartbeatAsync(session, reading: 7_000);
        var command = Command(Key("room", "tag"), s => s with
        {
            UseStaticToken = true,
            Executable = new Executable
            {
                Image = "board:1",
                Env = new Dictionary<string, string> { ["A"] = "\u0001\"ä" },
                Credentials = new RegistryCredentials { Username = "u", Password = "p" },
                Mount = new MountRequest("a/b"),
            },
        });
        var holder = await AcquireAsync(command);
        var action = Assert.Single(await ActionsAsync(session));
        Assert.Equal((1L, holder.Identity, DroneActionKind.Spawn), (action.Number, action.Identity, action.Kind));
        var order = action.Spawn!;
        Assert.Equal(Numbers.DeadlinesFrom(7_777, "instance-1", "boot-1"), order.Deadlines);
        Assert.Equal(command.Key, order.Key);
        Assert.Equal(command.StaticToken, order.StaticToken);
        Assert.Equal("\u0001\"ä", order.Executable.Env!["A"]);
        Assert.Equal("p", order.Executable.Credentials!.Password);
        Assert.Equal("a/b", order.Executable.Mount!.Path);
    }

    [Fact]
    public async Task Actions_are_numbered_without_gaps_and_gone_once_acknowledged()
    {
        var session = await RegisterAsync();
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Pick(i).AcquireAsync(On(Command()), default)));
        Assert.Equal(Enumerable.Range(1, 50).Select(i => (long)i), (await ActionsAsync(session)).Select(a => a.Number));
        Assert.Equal([11L, 12, 13], (await ActionsAsync(session, after: 10, limit: 3)).Select(a => a.Number));
        Assert.Equal(SessionState.Current, await Store.AcknowledgeActionsAsync(session, 48, default));
        Assert.Equal(SessionState.Current, await Store.AcknowledgeActionsAsync(session, 48, default));
        Assert.Equal([49L, 50], (await ActionsAsync(session)).Select(a => a.Number));
        await AcquireAsync(Command());
        Assert.Equal(51, (await ActionsAsync(session, after: 50)).Single().Number);
    }

    [Fact]
    public async Task Numbers_of_actions_become_visible_in_their_order()
    {
        var session = await RegisterAsync();
        using var stop = new CancellationTokenSource();
        var reading = Task.Run(async () =>
        {
            var seen = 0L;
            while (!stop.IsCancellationRequested)
            {
                foreach (var action in await ActionsAsync(session, seen))
                {
                    Assert.Equal(seen + 1, action.Number);
                    seen = action.Number;
                }
            }
        });
        await Task.WhenAll(Enumerable.Range(0, 150).Select(i => Pick(i).AcquireAsync(On(Command()), default)));
        await stop.CancelAsync();
        await reading;
    }

    [Fact]
    public async Task Ends_are_queued_once_and_hard_after_soft()
    {
        var session = await RegisterAsync();
        var holder = await AcquireAsync("room");
        var id = holder.Identity.Backend;
        Task<ChangeOutcome> End(TerminationKind kind, ClusterName? cluster = null) =>
            Store.TerminateAsync(id, cluster, kind, TerminationReason.External, default);

        Assert.Equal(ChangeOutcome.NotFound, await Store.TerminateAsync(BackendName.Parse("none"), null, TerminationKind.Soft, TerminationReason.External, default));
        Assert.Equal(ChangeOutcome.NotFound, await End(TerminationKind.Soft, ClusterName.Parse("other.com")));
        Assert.Equal(ChangeOutcome.Changed, await End(TerminationKind.Soft, Cluster));
        Assert.Equal(ChangeOutcome.Unchanged, await End(TerminationKind.Soft));
        Assert.Equal(ChangeOutcome.Changed, await End(TerminationKind.Hard));
        Assert.Equal(ChangeOutcome.Unchanged, await End(TerminationKind.Soft));
        Assert.Equal(ChangeOutcome.Unchanged, await End(TerminationKind.Hard));
        Assert.Equal(
            [TerminationKind.Soft, TerminationKind.Hard],
            (await ActionsAsync(session)).Where(a => a.Terminate is not null).Select(a => a.Terminate!.Kind));
        await ApplyAsync(holder.Identity, BackendStatus.Terminated);
        Assert.Equal(ChangeOutcome.Unchanged, await End(TerminationKind.Hard));
        Assert.Empty(await ActionsAsync(session));
    }

    [Fact]
    public async Task Candidates_are_ready_drones_with_their_load()
    {
        await RegisterAsync(capacity: 5, pool: "p");
        var other = DroneName.Parse("dr-two");
        await RegisterAsync(other, capacity: 1);
        await AcquireAsync(Command(null, s => s with { Pool = "p" }));
        var candidates = await Store.ListCandidatesAsync(Cluster, default);
        Assert.Equal([(Drone, "p", 1, 5), (other, "", 0, 1)], candidates.Select(c => (c.Drone, c.Pool, c.Backends, c.MaxBackends)));
        Assert.Equal([ExecutorKind.Docker, ExecutorKind.Process], candidates[0].Kinds.Order());
        Assert.Empty(await Store.ListCandidatesAsync(ClusterName.Parse("other.com"), default));
        await AcquireAsync(Command(), other);
        Assert.Equal([Drone], (await Store.ListCandidatesAsync(Cluster, default)).Select(c => c.Drone));
        await Harness.AdvanceAsync(Numbers.HeartbeatFresh + TimeSpan.FromSeconds(1));
        Assert.Empty(await Store.ListCandidatesAsync(Cluster, default));
    }

    [Fact]
    public async Task What_a_drone_cannot_run_for_the_moment_is_not_placed_on_it_and_is_told()
    {
        var session = await RegisterAsync();
        Task<SessionState> Beat(long reading, ExecutorKind[]? kinds, ExecutorKind[]? unavailable) => Store.HeartbeatDroneAsync(
            new DroneHeartbeat
            {
                Session = session, InstanceId = "instance-1", BootId = "boot-1", Reading = reading, Ready = true, Kinds = kinds, UnavailableKinds = unavailable,
            },
            Controller,
            default);
        async Task<(string Kinds, string Unavailable, string Candidate)> SeenAsync()
        {
            var drone = Assert.Single((await Store.ReadClusterAsync(Cluster, default)).Drones);
            var candidate = Assert.Single(await Store.ListCandidatesAsync(Cluster, default));
            return (string.Join(' ', drone.Kinds.Order()), string.Join(' ', drone.UnavailableKinds), string.Join(' ', candidate.Kinds.Order()));
        }

        Assert.Equal(SessionState.Current, await Beat(1_000_001, [ExecutorKind.Process], [ExecutorKind.Docker]));
        Assert.Equal(("Process", "Docker", "Process"), await SeenAsync());

        // A drone of an earlier version says nothing of it.
        await Beat(1_000_002, null, null);
        Assert.Equal(("Process", "Docker", "Process"), await SeenAsync());
        await Beat(1_000_003, [ExecutorKind.Docker, ExecutorKind.Process], []);
        Assert.Equal(("Docker Process", "", "Docker Process"), await SeenAsync());
    }

    [Fact]
    public async Task The_clusters_state_tells_drones_proxies_and_their_controller()
    {
        await Store.HeartbeatControllerAsync(Controller, "1", "h", default);
        await RegisterAsync(capacity: 9, pool: "p");
        await ReportAsync(ProxyName.Parse("px-a"));
        await AcquireAsync(Command(null, s => s with { Pool = "p" }));
        var state = await Store.ReadClusterAsync(Cluster, default);
        var drone = Assert.Single(state.Drones);
        Assert.True(drone.Ready);
        Assert.Equal((Drone.Value, 1, 9, "p"), (drone.Node.Name, drone.BackendCount, drone.MaxBackends, drone.Pool));
        var proxy = Assert.Single(state.Proxies);
        Assert.Equal(("px-a", Controller.Value), (proxy.Name, proxy.Controller));
        Assert.InRange(proxy.ControllerHeartbeatAge, 0, 30_000);
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(90));
        state = await Store.ReadClusterAsync(Cluster, default);
        Assert.False(Assert.Single(state.Drones).Ready);
        Assert.InRange(state.Drones[0].LastHeartbeatAge, 90_000, 120_000);
        Assert.InRange(state.Drones[0].Node.ControllerHeartbeatAge, 90_000, 120_000);
        Assert.Empty(state.Proxies);
    }
}
