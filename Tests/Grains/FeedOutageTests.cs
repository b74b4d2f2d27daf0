using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Plane.Grains.Feed;
using Plane.Storage;
using Plane.Testing;

namespace Plane.Tests.Grains;

public sealed class FeedOutageTests
{
    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_wait_that_an_outage_of_the_log_falls_into_completes_after_it(On on)
    {
        await using var plane = await GrainCluster.StartAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var identity = await plane.SpawnedAsync(cluster);
        plane.Faults.Away(nameof(IPlaneStore.ReadLogAsync), nameof(IPlaneStore.WaitForLogAsync));
        var reads = plane.Faults.Calls(nameof(IPlaneStore.ReadLogAsync));
        await Eventually.TrueAsync(() => plane.Faults.Calls(nameof(IPlaneStore.ReadLogAsync)) > reads + 1, "reads of the log that fail");

        var waiting = plane.Backend(identity).ReadStatus(BackendStatus.Scheduled, TimeSpan.FromSeconds(5));
        await drone.ReachAsync(identity, BackendStatus.Ready);
        plane.Faults.Back();

        Assert.Equal(BackendStatus.Ready, Assert.Single((await Eventually.EndsAsync(waiting, "the status")).Entries).Status);
    }

    [Fact]
    public async Task A_change_that_an_older_transaction_hides_is_told_when_that_has_ended()
    {
        await using var plane = await GrainCluster.StartAsync(On.Postgres);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var identity = await plane.SpawnedAsync(cluster);
        await using var connection = new NpgsqlConnection(plane.PostgresConnectionString);
        await connection.OpenAsync();
        await using var older = await connection.BeginTransactionAsync();
        await using (var begin = new NpgsqlCommand("select pg_current_xact_id()", connection, older))
        {
            await begin.ExecuteScalarAsync();
        }

        var proxy = plane.Proxy(ProxyName.NewRandom());
        var position = (await proxy.ReadChanges(cluster, null, TimeSpan.Zero)).Next;
        var waiting = plane.Backend(identity).ReadStatus(BackendStatus.Scheduled, TimeSpan.FromSeconds(5));
        await drone.ReachAsync(identity, BackendStatus.Ready);
        var hidden = await proxy.ReadChanges(cluster, position, TimeSpan.FromMilliseconds(100));
        await older.RollbackAsync();

        Assert.DoesNotContain(hidden.Changes, c => c.Status == BackendStatus.Ready);
        Assert.Equal(BackendStatus.Ready, Assert.Single((await Eventually.EndsAsync(waiting, "the status")).Entries).Status);
    }

    [Fact]
    public async Task No_change_is_missed_over_an_outage()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var proxy = plane.Proxy(ProxyName.NewRandom());
        var position = (await proxy.ReadChanges(cluster, null, TimeSpan.Zero)).Next;
        plane.Faults.Away(nameof(IPlaneStore.ReadLogAsync));
        var identity = await plane.SpawnedAsync(cluster);
        await drone.ReachAsync(identity, BackendStatus.Ready);
        plane.Faults.Back();

        var page = await Eventually.SeenAsync(
            t => proxy.ReadChanges(cluster, position, TimeSpan.FromSeconds(5), t), p => p.Changes.Length == 2, "both changes");

        Assert.Equal([BackendStatus.Scheduled, BackendStatus.Ready], page.Changes.Select(c => c.Status!.Value));
    }

    [Fact]
    public async Task A_proxy_is_not_told_that_nothing_changed_by_a_silo_that_cannot_know()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        var proxy = plane.Proxy(ProxyName.NewRandom());
        var position = (await proxy.ReadChanges(cluster, null, TimeSpan.Zero)).Next;
        plane.Faults.Away();

        var failure = await Eventually.SeenAsync(
            _ => Record.ExceptionAsync(() => proxy.ReadChanges(cluster, position, TimeSpan.FromMilliseconds(50))), e => e is not null, "a failing read");

        Assert.True(CallFailed.IsUnknownOutcome(failure!), failure!.ToString());
    }

    [Fact]
    public async Task A_proxy_is_served_from_the_log_while_the_feed_cannot_read_it()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var feed = plane.SiloServices.GetRequiredService<ChangeFeed>();
        var cluster = plane.NewCluster();
        await TestDrone.RegisterAsync(plane, cluster);
        var proxy = plane.Proxy(ProxyName.NewRandom());
        var position = (await proxy.ReadChanges(cluster, null, TimeSpan.Zero)).Next;
        plane.Faults.Away(nameof(IPlaneStore.WaitForLogAsync), nameof(IPlaneStore.ReadLogAsync));
        await Eventually.TrueAsync(() => feed.End is null, "a feed that is out of date");
        var identity = await plane.SpawnedAsync(cluster);
        plane.Faults.Away(nameof(IPlaneStore.WaitForLogAsync));

        var page = await proxy.ReadChanges(cluster, position, TimeSpan.FromSeconds(5));

        Assert.Equal(identity, Assert.Single(page.Changes).Backend);
    }
}
