using Plane.Testing;

namespace Plane.Tests.Storage;

public abstract partial class StoreSuite
{
    [Fact]
    public async Task Events_are_what_happened_to_backends_and_drones_with_their_reasons()
    {
        var start = await Store.SettledLogEndAsync();
        var session = await RegisterAsync();
        var holder = await AcquireAsync("room");
        await ReadyAsync(holder.Identity);
        await Store.SetDrainingAsync(Cluster, Drone, draining: true, terminate: false, default);
        await Store.SetDrainingAsync(Cluster, Drone, draining: true, terminate: false, default);
        await Store.SetDrainingAsync(Cluster, Drone, draining: false, terminate: false, default);
        await Store.RevokeAsync(holder.Identity.Backend, new RevokeScope(), default);
        await ApplyAsync(holder.Identity, BackendStatus.Terminated);
        await RegisterAsync();

        var page = await Eventually.SeenAsync(async token => await Store.ReadEventsAsync(Cluster, start, 100, token), p => p.Events.Length >= 8, "all events are there");

        Assert.Equal(
            [
                ClusterEventKind.DroneRegistered, ClusterEventKind.Backend, ClusterEventKind.Backend, ClusterEventKind.DroneDrained, ClusterEventKind.DroneUndrained,
                ClusterEventKind.TokenRevoked, ClusterEventKind.Backend, ClusterEventKind.DroneRegistered,
            ],
            page.Events.Select(e => e.Kind));
        Assert.Equal([BackendStatus.Scheduled, BackendStatus.Ready, BackendStatus.Terminated], page.Events.Select(e => e.Status).OfType<BackendStatus>());
        Assert.All(page.Events, e => Assert.Equal((Cluster, (DroneName?)Drone), (e.Cluster, e.Drone)));
        Assert.All(page.Events.Where(e => e.BackendId is not null), e => Assert.Equal("room", e.Key?.Name));
        Assert.Equal(page.Events.Select(e => e.Id.Position).Order(), page.Events.Select(e => e.Id.Position));
        Assert.Equal(1, session.Number);
    }

    [Fact]
    public async Task Events_are_read_on_from_any_of_them_or_from_the_last()
    {
        await RegisterAsync();
        var start = await Store.SettledLogEndAsync();
        for (var i = 0; i < 5; i++)
        {
            await AcquireAsync($"room-{i}");
        }

        var all = await Eventually.SeenAsync(async token => await Store.ReadEventsAsync(null, start, 100, token), p => p.Events.Length >= 5, "all events are there");
        var two = await Store.ReadEventsAsync(null, all.Events[1].Id.Position, 2, default);
        var last = await Store.ReadEventsAsync(null, null, 2, default);

        Assert.Equal(all.Events[2..4].Select(e => e.Id), two.Events.Select(e => e.Id));
        Assert.Equal(two.Events[^1].Id, two.Next);
        Assert.Equal(all.Events[^2..].Select(e => e.Id), last.Events.Select(e => e.Id));
        Assert.Empty((await Store.ReadEventsAsync(null, last.Next.Position, 2, default)).Events);
        Assert.False(all.Gap);
        Assert.True((await Store.ReadEventsAsync(null, new LogPosition(long.MaxValue - 1, 0), 2, default)).Gap);
    }

    [Fact]
    public async Task The_place_where_a_drone_can_be_asked_comes_with_its_heartbeat_and_stays()
    {
        var session = await RegisterAsync();
        var heartbeat = new DroneHeartbeat { Session = session, InstanceId = "instance-1", BootId = "boot-1", Reading = 6_000, Ready = true };
        Assert.Null(await Store.FindInspectorAsync(Cluster, Drone, default));

        await Store.HeartbeatDroneAsync(heartbeat with { Inspector = "sys.client/abc" }, Controller, default);
        await Store.HeartbeatDroneAsync(heartbeat, Controller, default);

        Assert.Equal("sys.client/abc", await Store.FindInspectorAsync(Cluster, Drone, default));
        Assert.Null(await Store.FindInspectorAsync(Cluster, DroneName.NewRandom(), default));
    }
}
