using Plane.Storage;
using Plane.Testing;

namespace Plane.Tests.Grains;

public sealed class ProxyTests(GrainClusters clusters) : IClassFixture<GrainClusters>
{
    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_waiting_proxy_hears_of_the_states_of_its_clusters_backends_alone(On on)
    {
        var plane = await clusters.OfAsync(on);
        var (mine, other) = (plane.NewCluster(), plane.NewCluster());
        var drone = await TestDrone.RegisterAsync(plane, mine);
        var stranger = await TestDrone.RegisterAsync(plane, other);
        var proxy = plane.Proxy(ProxyName.NewRandom());
        var start = (await proxy.ReadChanges(mine, null, TimeSpan.Zero)).Next;

        await plane.SpawnedAsync(other);
        var identity = await plane.SpawnedAsync(mine);
        await drone.ReachAsync(identity, BackendStatus.Ready);
        var changes = await ReadAllAsync(proxy, mine, start, c => c.Any(x => x.Status == BackendStatus.Ready));

        Assert.All(changes, c => Assert.Equal(mine, c.Cluster));
        Assert.Equal([BackendStatus.Scheduled, BackendStatus.Ready], changes.Select(c => c.Status!.Value));
        Assert.All(changes, c => Assert.Equal(identity, c.Backend));
        Assert.NotEqual(stranger.Name, drone.Name);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_revoked_token_reaches_a_waiting_proxy_by_its_hash(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        await TestDrone.RegisterAsync(plane, cluster);
        var key = Commands.NewKey();
        var ada = Commands.Connect(key, cluster, Commands.Spawn(), user: "ada");
        var bob = Commands.Connect(key, cluster, Commands.Spawn(), user: "bob");
        var holder = await plane.ConnectedAsync(ada);
        await plane.ConnectedAsync(bob);
        var proxy = plane.Proxy(ProxyName.NewRandom());
        var start = (await proxy.ReadChanges(cluster, null, TimeSpan.Zero)).Next;

        await plane.Backend(holder.Identity).Revoke(new RevokeScope { User = "ada" });
        var changes = await ReadAllAsync(proxy, cluster, start, c => c.Any(x => x.Kind == ChangeKind.TokenRevoked));

        Assert.Equal(ada.Drawn.Token.Hash(), Assert.Single(changes, c => c.Kind == ChangeKind.TokenRevoked).TokenHash);
        Assert.Equal(RouteOutcome.Gone, (await plane.Route(ada.Drawn.Token).Resolve(ada.Drawn.Token, TimeSpan.Zero)).Outcome);
        Assert.Equal(RouteOutcome.Starting, (await plane.Route(bob.Drawn.Token).Resolve(bob.Drawn.Token, TimeSpan.Zero)).Outcome);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task The_position_advances_over_what_concerns_others(On on)
    {
        var plane = await clusters.OfAsync(on);
        var (quiet, busy) = (plane.NewCluster(), plane.NewCluster());
        await TestDrone.RegisterAsync(plane, busy);
        var proxy = plane.Proxy(ProxyName.NewRandom());
        var position = (await proxy.ReadChanges(quiet, null, TimeSpan.Zero)).Next;
        await plane.SpawnedAsync(busy);

        var page = await Eventually.SeenAsync(
            t => proxy.ReadChanges(quiet, position, TimeSpan.FromMilliseconds(50), t), p => p.Next > position, "a later position");

        Assert.Empty(page.Changes);
        Assert.False(page.Gap);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_proxy_that_is_behind_what_the_silo_remembers_is_served_from_the_log(On on)
    {
        var cluster = ClusterName.Parse("past.test");
        var registration = TestDrone.Describe(cluster);
        var command = Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn());
        await using var plane = await GrainCluster.StartAsync(on, before: async store =>
        {
            await store.RegisterDroneAsync(registration, ControllerName.NewRandom(), default);
            await store.AcquireAsync(new AcquireRequest { Command = ResolvedConnect.Of(command), Cluster = cluster, Drone = registration.Name }, default);
        });

        // A transaction of whatever other database of the server may hide the row for a moment.
        var page = await Eventually.SeenAsync(
            t => plane.Proxy(ProxyName.NewRandom()).ReadChanges(cluster, LogPosition.Start, TimeSpan.Zero, t), p => p.Changes.Length > 0, "the change");

        Assert.Equal(command.Drawn.BackendId, Assert.Single(page.Changes).Backend!.Value.Backend);
        Assert.True(page.Next > LogPosition.Start);
    }

    [Fact]
    public async Task Nothing_is_missed_or_told_twice_when_a_proxy_reads_on_and_on()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster, maxBackends: 1_000);
        var proxy = plane.Proxy(ProxyName.NewRandom());
        var start = (await proxy.ReadChanges(cluster, null, TimeSpan.Zero)).Next;

        var reading = ReadAllAsync(proxy, cluster, start, c => c.Count(x => x.Status == BackendStatus.Terminated) == 50);
        await Task.WhenAll(Enumerable.Range(0, 50).Select(async _ =>
        {
            var identity = await plane.SpawnedAsync(cluster);
            await drone.ReachAsync(identity, BackendStatus.Ready);
            await drone.ReachAsync(identity, BackendStatus.Terminated);
        }));
        var changes = await Eventually.EndsAsync(reading, "all changes");

        Assert.Equal(changes.Select(c => c.Position).Order(), changes.Select(c => c.Position));
        Assert.Equal(150, changes.Select(c => (c.Backend, c.Status)).Distinct().Count());
        Assert.Equal(150, changes.Count);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_report_is_recorded_and_answered_with_the_time_of_the_next(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var proxy = ProxyName.NewRandom();
        var reply = await plane.Proxy(proxy).Report(new ProxyReport { Cluster = cluster, Proxy = proxy, Version = "1.2", Hash = "abc" });
        Assert.Equal(plane.Numbers.ProxyReport, reply.ReportAgainAfter);
        Assert.Equal(proxy.Value, Assert.Single((await plane.Store.ReadClusterAsync(cluster, default)).Proxies).Name);
    }

    [Fact]
    public async Task A_report_of_another_proxy_is_refused()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var report = new ProxyReport { Cluster = plane.NewCluster(), Proxy = ProxyName.NewRandom(), Version = "1" };
        await Assert.ThrowsAsync<InvalidCallException>(() => plane.Proxy(ProxyName.NewRandom()).Report(report));
    }

    private static async Task<List<Change>> ReadAllAsync(IProxyGrain proxy, ClusterName cluster, LogPosition from, Func<List<Change>, bool> enough)
    {
        var position = from;
        var changes = new List<Change>();
        return await Eventually.SeenAsync(
            async token =>
            {
                var page = await proxy.ReadChanges(cluster, position, TimeSpan.FromSeconds(1), token);
                Assert.False(page.Gap);
                Assert.True(page.Next >= position);
                position = page.Next;
                changes.AddRange(page.Changes);
                return changes;
            },
            enough,
            "the changes");
    }
}
