using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>A backend's life, as the controller hears of it.</summary>
public sealed class LifeTests
{
    [Fact]
    public async Task A_spawn_is_reported_step_by_step_until_it_is_ready()
    {
        await using var drone = await DroneUnderTest.StartedAsync();

        var backend = await drone.ReadyBackendAsync();

        Assert.Equal(
            [BackendStatus.Loading, BackendStatus.Starting, BackendStatus.Waiting, BackendStatus.Ready], drone.Controller.StatesOf(backend));
        var ready = await drone.SeenAsync(backend, BackendStatus.Ready);
        Assert.Equal(drone.Runtime.Containers[backend].Started!.Address, ready.Address);
        Assert.Equal(1, drone.Runtime.Running);
    }

    [Fact]
    public async Task A_spawn_is_acknowledged_once_it_is_durable()
    {
        await using var drone = await DroneUnderTest.StartedAsync();

        var backend = drone.Controller.Spawn();

        await Eventually.TrueAsync(() => drone.Controller.Acknowledged.Contains(1), "action 1 is acknowledged");
        Assert.NotNull(await drone.RowAsync(backend));
    }

    [Fact]
    public async Task A_backend_that_exits_by_itself_ends_with_its_exit_code_and_no_reason()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();

        drone.Runtime.Exit(backend, 3);

        var ended = await drone.EndedAsync(backend);
        Assert.Equal(3, ended.ExitCode);
        Assert.Null(ended.TerminationReason);
        Assert.Null(ended.TerminationKind);
    }

    [Fact]
    public async Task An_exit_that_no_event_told_is_found_by_a_listing()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.TellsExits = false);
        var backend = await drone.ReadyBackendAsync();

        drone.Runtime.Exit(backend, 4);

        Assert.Equal(4, (await Eventually.SeenAsync(
            () => drone.Controller.Ended(backend)!, e => e is not null, "the exit is found", TimeSpan.FromSeconds(60))).ExitCode);
    }
}
