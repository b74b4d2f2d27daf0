using Plane.DroneHost.State;
using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>
/// A disk without room. SQLite is told that its file may not grow, which makes a write fail with its own error of a full disk; from then on every write fails, even
/// one that would fit into a free page.
/// </summary>
public sealed class FullDiskTests
{
    [Fact]
    public async Task A_drone_that_cannot_write_takes_no_actions_keeps_renewing_and_recovers_by_itself()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var running = await drone.ReadyBackendAsync();
        await FillAsync(drone);
        await Eventually.TrueAsync(() => !drone.Controller.Heartbeats.Last().Ready, "it says that it is not ready");

        var waiting = drone.Controller.Spawn();
        drone.Clock.Advance(drone.Numbers.RenewAfter);
        var reading = drone.Clock.Milliseconds;
        await Eventually.TrueAsync(
            () => drone.Backends.Find(running)!.Lease.Deadlines.RenewAt > reading, "what runs is renewed");
        Assert.Equal(1, drone.Runtime.Running);
        Assert.DoesNotContain(2, drone.Controller.Acknowledged);
        Assert.Null(drone.Backends.Find(waiting));

        await FreeAsync(drone);

        await drone.SeenAsync(waiting, BackendStatus.Ready);
        Assert.True(drone.Controller.Heartbeats.Last().Ready);
    }

    [Fact]
    public async Task An_end_on_a_full_disk_is_carried_out_at_once_and_reported_when_it_is_stored()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        await FillAsync(drone);

        drone.Clock.Advance(drone.Numbers.Hard);
        await Eventually.TrueAsync(() => drone.Runtime.Running == 0, "it is killed");
        Assert.Null(drone.Controller.Ended(backend));
        await FreeAsync(drone);

        Assert.Equal(TerminationReason.KeyExpired, (await drone.EndedAsync(backend)).TerminationReason);
    }

    private static async Task FillAsync(DroneUnderTest drone)
    {
        var writer = drone.State.Writer;
        await writer.ReadAsync(s => s.Execute("pragma max_page_count = 1"));
        await Assert.ThrowsAsync<StateUnavailableException>(
            () => writer.WriteAsync(s => s.Execute("insert into probe values (2, zeroblob(1000000))")));
        writer.Fault = () => throw new IOException("No space left on device");
    }

    private static Task<int> FreeAsync(DroneUnderTest drone)
    {
        drone.State.Writer.Fault = null;
        return drone.State.Writer.ReadAsync(s => s.Execute("pragma max_page_count = 1000000"));
    }
}
