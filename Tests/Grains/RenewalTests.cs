using Plane.Storage;
using Plane.Testing;

namespace Plane.Tests.Grains;

public sealed class RenewalTests(GrainClusters clusters) : IClassFixture<GrainClusters>
{
    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_renewal_gives_deadlines_that_count_from_its_reading(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var identity = await plane.SpawnedAsync(cluster);

        var reply = await drone.RenewAsync(7_000_000, identity);

        Assert.Equal(SessionState.Current, reply.Session);
        var answer = Assert.Single(reply.Answers);
        Assert.Equal(RenewalOutcome.Renewed, answer.Outcome);
        Assert.Equal(plane.Numbers.DeadlinesFrom(7_000_000, drone.Registration.InstanceId, "boot-1"), answer.Deadlines);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_batch_is_answered_item_by_item_in_its_order(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var held = await plane.SpawnedAsync(cluster);
        var prevented = await plane.SpawnedAsync(cluster);
        Assert.Equal(ChangeOutcome.Changed, await plane.Backend(prevented).PreventRenewal());
        var unknown = new BackendIdentity(BackendName.NewRandom(), held.Token);
        var older = held with { Token = new FencingToken(held.Token.Value - 1) };

        var reply = await drone.RenewAsync(1, prevented, unknown, held, older);

        Assert.Equal([prevented, unknown, held, older], reply.Answers.Select(a => a.Identity));
        Assert.Equal(
            [RenewalOutcome.Prevented, RenewalOutcome.Unknown, RenewalOutcome.Renewed, RenewalOutcome.Unknown], reply.Answers.Select(a => a.Outcome));
        Assert.Equal([false, false, true, false], reply.Answers.Select(a => a.Deadlines is not null));
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task Renewals_of_one_holder_at_once_are_all_answered(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var identity = await plane.SpawnedAsync(cluster);

        var replies = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => drone.RenewAsync(i, identity)));

        Assert.All(replies, r => Assert.Equal(RenewalOutcome.Renewed, Assert.Single(r.Answers).Outcome));
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_replaced_session_gets_neither_renewals_nor_refusals(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var older = await TestDrone.RegisterAsync(plane, cluster);
        var identity = await plane.SpawnedAsync(cluster);
        await TestDrone.RegisterAsync(plane, older.Registration);

        var reply = await older.RenewAsync(1, identity);

        Assert.Equal(SessionState.Replaced, reply.Session);
        Assert.Empty(reply.Answers);
    }

    [Fact]
    public async Task A_database_that_is_away_is_no_refusal()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var identity = await plane.SpawnedAsync(cluster);

        plane.Faults.Away(nameof(IPlaneStore.RenewAsync));
        var failure = await Assert.ThrowsAnyAsync<Exception>(() => drone.RenewAsync(1, identity));
        plane.Faults.Back();

        Assert.True(CallFailed.IsUnknownOutcome(failure), failure.ToString());
        Assert.Equal(RenewalOutcome.Renewed, Assert.Single((await drone.RenewAsync(1, identity)).Answers).Outcome);
    }

    [Fact]
    public async Task Renewals_that_come_while_a_statement_runs_share_the_next_one()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var identities = new List<BackendIdentity>();
        for (var i = 0; i < 20; i++)
        {
            identities.Add(await plane.SpawnedAsync(cluster));
        }

        var release = new TaskCompletionSource();
        plane.Faults.Hold(nameof(IPlaneStore.RenewAsync), release.Task);
        var first = drone.RenewAsync(1, identities[0]);
        await Eventually.TrueAsync(() => plane.Faults.Calls(nameof(IPlaneStore.RenewAsync)) == 1, "the first statement");
        var sessions = plane.Faults.Calls(nameof(IPlaneStore.ReadSessionAsync));
        var others = identities.Skip(1).Select(i => drone.RenewAsync(1, i)).ToArray();
        await Eventually.TrueAsync(() => plane.Faults.Calls(nameof(IPlaneStore.ReadSessionAsync)) == sessions + 19, "all calls to have arrived");
        release.SetResult();
        await Task.WhenAll([first, .. others]);

        // The session of the last ones may still have been under way when the first statement ended: a third one, never twenty.
        Assert.InRange(plane.Faults.Calls(nameof(IPlaneStore.RenewAsync)), 2, 4);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task An_expired_lease_is_not_revived_and_its_key_is_acquired_with_a_greater_token(On on)
    {
        await using var plane = await GrainCluster.StartAsync(on, GrainCluster.ShortLeases);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var key = Commands.NewKey();
        var first = await plane.ConnectedAsync(Commands.Connect(key, cluster, Commands.Spawn()));
        await Eventually.SeenAsync(t => plane.Store.ReadHolderAsync(key, t), h => h is null, "the lease to expire");

        var late = await drone.RenewAsync(1, first.Identity);
        var second = await plane.ConnectedAsync(Commands.Connect(key, cluster, Commands.Spawn()));

        Assert.Contains(Assert.Single(late.Answers).Outcome, new[] { RenewalOutcome.Expired, RenewalOutcome.Unknown });
        Assert.NotEqual(first.Identity.Backend, second.Identity.Backend);
        Assert.True(second.Identity.Token > first.Identity.Token);
        var lost = await plane.Backend(first.Identity).Describe();
        Assert.Equal(BackendStatus.Terminated, lost!.Status);
        Assert.Equal(TerminationReason.Lost, lost.History[^1].TerminationReason);
    }

    [Fact]
    public async Task A_lease_that_is_renewed_outlives_its_expiry()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite, LeaseOptions.Scaled(0.15) with { HeartbeatFresh = TimeSpan.FromMinutes(1) });
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var renewed = await plane.SpawnedAsync(cluster);
        var forgotten = await plane.SpawnedAsync(cluster);

        await Eventually.SeenAsync(
            async t =>
            {
                await drone.RenewAsync(1, renewed);
                return await plane.Backend(forgotten).Describe(t);
            },
            d => d!.Status == BackendStatus.Terminated,
            "the lease that isn't renewed to expire");

        Assert.Equal(RenewalOutcome.Renewed, Assert.Single((await drone.RenewAsync(1, renewed)).Answers).Outcome);
    }

    [Fact]
    public async Task A_batch_that_is_too_large_is_refused()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var drone = await TestDrone.RegisterAsync(plane, plane.NewCluster());
        var items = Enumerable.Range(1, RenewalBatch.MaxItems + 1).Select(i => new BackendIdentity(BackendName.NewRandom(), new FencingToken(i))).ToArray();
        await Assert.ThrowsAsync<InvalidCallException>(() => drone.RenewAsync(1, items));
    }
}
