using Npgsql;
using Plane.Testing;

namespace Plane.Tests.Grains;

public sealed class UnreadableRowTests
{
    [Fact]
    public async Task A_change_that_cannot_be_read_stops_nobody_who_waits()
    {
        await using var plane = await GrainCluster.StartAsync(On.Postgres);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var identity = await plane.SpawnedAsync(cluster);
        await using (var connection = new NpgsqlConnection(plane.PostgresConnectionString))
        {
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand(
                """
                alter table plane.changes drop constraint changes_names, drop constraint changes_numbers;
                insert into plane.changes (kind, cluster, backend_id, fencing_token, status) values
                    ('backend_state', 'No Cluster', 'No Backend', 1, 'ready'), ('drone_action', 'No Cluster', null, null, null);
                """,
                connection);
            await command.ExecuteNonQueryAsync();
        }

        var proxy = plane.Proxy(ProxyName.NewRandom());
        var position = (await proxy.ReadChanges(cluster, null, TimeSpan.Zero)).Next;
        var waiting = plane.Backend(identity).ReadStatus(BackendStatus.Scheduled, TimeSpan.FromSeconds(5));
        await drone.ReachAsync(identity, BackendStatus.Ready);
        Assert.Equal(BackendStatus.Ready, Assert.Single((await Eventually.EndsAsync(waiting, "the status")).Entries).Status);
        await Eventually.SeenAsync(
            async t => await proxy.ReadChanges(cluster, position, TimeSpan.FromSeconds(1), t), p => p.Changes.Any(c => c.Status == BackendStatus.Ready), "the change of the route");
        Assert.True(plane.Store.UnreadableRows >= 2, $"{plane.Store.UnreadableRows} were counted");
    }
}
