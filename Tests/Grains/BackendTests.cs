using Plane.Testing;

namespace Plane.Tests.Grains;

public sealed class BackendTests(GrainClusters clusters) : IClassFixture<GrainClusters>
{
    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task States_only_move_forward(On on)
    {
        var plane = await clusters.OfAsync(on);
        var (drone, identity) = await SpawnAsync(plane);
        await drone.ReachAsync(identity, BackendStatus.Starting);

        var back = await drone.ReportAsync(drone.Event(identity, BackendStatus.Loading));

        Assert.False(Assert.Single(back.Acks).Applied);
        await drone.ReachAsync(identity, BackendStatus.Ready);
        var details = await plane.Backend(identity).Describe();
        Assert.Equal([BackendStatus.Scheduled, BackendStatus.Starting, BackendStatus.Ready], details!.History.Select(h => h.Status));
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_repeated_event_is_acknowledged_as_applied_and_changes_nothing(On on)
    {
        var plane = await clusters.OfAsync(on);
        var (drone, identity) = await SpawnAsync(plane);
        var ready = drone.Event(identity, BackendStatus.Ready);
        await drone.ReportAsync(ready);

        var again = await drone.ReportAsync(ready, ready);

        Assert.All(again.Acks, a => Assert.True(a.Applied, a.Refusal));
        Assert.Equal(2, (await plane.Backend(identity).Describe())!.History.Length);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task An_event_under_another_fencing_token_is_refused(On on)
    {
        var plane = await clusters.OfAsync(on);
        var (drone, identity) = await SpawnAsync(plane);
        var other = identity with { Token = new FencingToken(identity.Token.Value + 1) };
        var reply = await drone.ReportAsync(drone.Event(other, BackendStatus.Terminated));
        Assert.False(Assert.Single(reply.Acks).Applied);
        Assert.True((await plane.Backend(identity).Describe())!.HoldsKey);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_batch_over_several_backends_is_acknowledged_event_by_event(On on)
    {
        var plane = await clusters.OfAsync(on);
        var (drone, a) = await SpawnAsync(plane);
        var b = await plane.SpawnedAsync(drone.Cluster);
        var bad = drone.Event(b, BackendStatus.Scheduled);
        StateEvent[] events =
        [
            drone.Event(a, BackendStatus.Loading), drone.Event(b, BackendStatus.Loading), bad,
            drone.Event(a, BackendStatus.Ready), drone.Event(b, BackendStatus.Terminated, TerminationReason.InternalError),
        ];

        var reply = await drone.ReportAsync(events);

        Assert.Equal(events.Select(e => e.Sequence), reply.Acks.Select(k => k.Sequence));
        Assert.Equal([true, true, false, true, true], reply.Acks.Select(k => k.Applied));
        Assert.Equal(BackendStatus.Ready, (await plane.Backend(a).Describe())!.Status);
        var ended = await plane.Backend(b).Describe();
        Assert.Equal(TerminationReason.InternalError, ended!.History[^1].TerminationReason);
        Assert.False(ended.HoldsKey);
    }

    [Fact]
    public async Task Batches_of_several_drones_with_equal_numbers_are_kept_apart()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var pairs = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => SpawnAsync(plane)));
        var replies = await Task.WhenAll(pairs.Select(p => p.Drone.ReportAsync(p.Drone.Event(p.Identity, BackendStatus.Ready))));
        Assert.All(replies, r => Assert.Equal(1, Assert.Single(r.Acks).Sequence));
        Assert.All(replies, r => Assert.True(r.Acks[0].Applied));
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_terminated_event_releases_the_key(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var key = Commands.NewKey();
        var holder = await plane.ConnectedAsync(Commands.Connect(key, cluster, Commands.Spawn()));
        Assert.Equal(holder.Identity, (await plane.Store.ReadHolderAsync(key, default))!.Identity);

        await drone.ReachAsync(holder.Identity, BackendStatus.Terminated);

        Assert.Null(await plane.Store.ReadHolderAsync(key, default));
        var result = await plane.ConnectAsync(Commands.Connect(key, cluster));
        Assert.Equal(ErrorKind.KeyUnheldNoSpawnConfig, result.Refusal);
    }

    [Fact]
    public async Task A_message_that_no_database_takes_does_not_keep_an_end_from_being_stored()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var (drone, identity) = await SpawnAsync(plane);
        var e = drone.Event(identity, BackendStatus.Terminated, TerminationReason.InternalError) with { Message = "a\0b" + new string('x', 5_000) };
        var reply = await drone.ReportAsync(e);
        Assert.True(Assert.Single(reply.Acks).Applied);
        var message = (await plane.Backend(identity).Describe())!.Message!;
        Assert.Equal(1_000, message.Length);
        Assert.StartsWith("a\uFFFDbx", message);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_status_wait_completes_with_each_new_state(On on)
    {
        var plane = await clusters.OfAsync(on);
        var (drone, identity) = await SpawnAsync(plane);
        var grain = plane.Backend(identity);
        Assert.Equal(BackendStatus.Scheduled, Assert.Single((await grain.ReadStatus(null, TimeSpan.FromSeconds(5))).Entries).Status);
        var last = BackendStatus.Scheduled;
        foreach (var next in new[] { BackendStatus.Loading, BackendStatus.Starting, BackendStatus.Waiting, BackendStatus.Ready, BackendStatus.Terminated })
        {
            var waiting = grain.ReadStatus(last, TimeSpan.FromSeconds(5));
            await drone.ReachAsync(identity, next);
            var page = await Eventually.EndsAsync(waiting, $"state {next}");
            Assert.Equal(next, Assert.Single(page.Entries).Status);
            last = next;
        }
    }

    [Fact]
    public async Task Many_status_waits_complete_together()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var (drone, identity) = await SpawnAsync(plane);
        var waiting = Enumerable.Range(0, 200).Select(_ => plane.Backend(identity).ReadStatus(BackendStatus.Scheduled, TimeSpan.FromSeconds(5))).ToArray();
        await drone.ReachAsync(identity, BackendStatus.Ready);
        var pages = await Eventually.EndsAsync(Task.WhenAll(waiting), "all waits");
        Assert.All(pages, p => Assert.Equal(BackendStatus.Ready, Assert.Single(p.Entries).Status));
    }

    [Fact]
    public async Task A_status_wait_behind_the_end_answers_at_once()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var (drone, identity) = await SpawnAsync(plane);
        await drone.ReachAsync(identity, BackendStatus.Terminated);
        var waiting = plane.Backend(identity).ReadStatus(BackendStatus.Terminated, TimeSpan.FromSeconds(5));
        var page = await Eventually.EndsAsync(waiting, "an answer before its time", TimeSpan.FromSeconds(4));
        Assert.True(page.Exists);
        Assert.Empty(page.Entries);
    }

    [Fact]
    public async Task A_status_wait_without_a_change_ends_empty()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var (_, identity) = await SpawnAsync(plane);
        var page = await plane.Backend(identity).ReadStatus(BackendStatus.Scheduled, TimeSpan.FromMilliseconds(50));
        Assert.True(page.Exists);
        Assert.Empty(page.Entries);
    }

    [Fact]
    public async Task An_unknown_backend_is_not_found()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var grain = plane.Client.GetGrain<IBackendGrain>(BackendName.NewRandom().Value);
        Assert.Null(await grain.Describe());
        Assert.False((await grain.ReadStatus(null, TimeSpan.FromSeconds(5))).Exists);
        Assert.Equal(ChangeOutcome.NotFound, await grain.Terminate(TerminationKind.Soft));
        Assert.Equal(ChangeOutcome.NotFound, await grain.PreventRenewal());
        Assert.Equal(ChangeOutcome.NotFound, await grain.Revoke(new RevokeScope()));
    }

    [Fact]
    public async Task A_terminate_for_another_cluster_finds_nothing()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var (drone, identity) = await SpawnAsync(plane);
        Assert.Equal(ChangeOutcome.NotFound, await plane.Backend(identity).Terminate(TerminationKind.Soft, plane.NewCluster()));
        Assert.Equal(ChangeOutcome.Changed, await plane.Backend(identity).Terminate(TerminationKind.Soft, drone.Cluster));
    }

    private static async Task<(TestDrone Drone, BackendIdentity Identity)> SpawnAsync(GrainCluster plane)
    {
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        return (drone, await plane.SpawnedAsync(cluster));
    }
}
