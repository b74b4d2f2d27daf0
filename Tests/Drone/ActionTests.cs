using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>Actions pulled: their order, their repetition, and what they meet.</summary>
public sealed class ActionTests
{
    [Fact]
    public async Task An_action_that_comes_again_is_acknowledged_again_and_not_repeated()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var repeat = 0;
        ActionPage? first = null;
        drone.Controller.OnRead = (_, page) =>
        {
            first ??= page.Actions.Length > 0 ? page : null;
            return page.Actions.Length == 0 && first is not null && Interlocked.Exchange(ref repeat, 0) == 1 ? page with { Actions = first.Actions } : page;
        };
        var backend = await drone.ReadyBackendAsync();
        await Eventually.TrueAsync(() => drone.Controller.Acknowledged.Contains(1), "the first acknowledgement");
        var acknowledgements = drone.Controller.Acknowledged.Count;

        Volatile.Write(ref repeat, 1);

        await Eventually.TrueAsync(() => drone.Controller.Acknowledged.Count > acknowledgements, "a second acknowledgement");
        Assert.Equal(1, drone.Controller.Acknowledged.Last());
        Assert.Single(drone.Runtime.Calls, c => c == $"start {backend.Backend}");
    }

    [Fact]
    public async Task A_gap_is_fetched_before_what_follows_it_is_applied()
    {
        await using var drone = new DroneUnderTest();
        var hidden = 0;
        drone.Controller.OnRead = (_, page) =>
            page.Actions.Length > 1 && Interlocked.Exchange(ref hidden, 1) == 0 ? page with { Actions = page.Actions[1..] } : page;
        var one = drone.Controller.Spawn();
        var two = drone.Controller.Spawn();

        await drone.StartAsync();

        await drone.EndedAsync(one);
        await drone.EndedAsync(two);
        Assert.Equal([0, 0], drone.Controller.Reads.Take(2));
        Assert.Equal(2, drone.State.LastAction);
    }

    [Fact]
    public async Task A_session_that_is_lost_while_a_gap_is_fetched_is_registered_again()
    {
        await using var drone = new DroneUnderTest();
        var reads = 0;
        drone.Controller.OnRead = (_, page) => Interlocked.Increment(ref reads) switch
        {
            1 => page with { Actions = page.Actions[1..] },
            2 => page with { Session = SessionState.Unknown },
            _ => page,
        };
        drone.Controller.Spawn();
        drone.Controller.Spawn();

        await drone.StartAsync();

        await Eventually.TrueAsync(() => drone.Controller.Registrations.Count == 2, "it registers again");
    }

    [Fact]
    public async Task A_number_that_was_withdrawn_holds_up_nothing()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        drone.Controller.SkipNumber();

        await drone.ReadyBackendAsync();

        await Eventually.TrueAsync(() => drone.Controller.Acknowledged.Contains(2), "action 2 is acknowledged");
    }

    [Fact]
    public async Task Actions_out_of_order_are_applied_in_the_order_of_their_numbers()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        drone.Controller.OnRead = (_, page) => page with { Actions = [.. page.Actions.Reverse()] };
        drone.Controller.IsAway = true;
        var backend = drone.Controller.Spawn();
        drone.Controller.Terminate(backend, TerminationKind.Hard);
        drone.Controller.IsAway = false;

        var ended = await drone.EndedAsync(backend);

        Assert.Equal(TerminationReason.External, ended.TerminationReason);
        Assert.DoesNotContain(drone.Log.ToString(), "EndRemembered", StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_end_of_an_unknown_backend_is_remembered_and_its_spawn_refused()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = FakeController.NewIdentity();
        drone.Controller.Terminate(backend, TerminationKind.Hard, TerminationReason.Swept);
        await Eventually.TrueAsync(() => drone.Controller.Acknowledged.Contains(1), "the end is acknowledged");
        await drone.RestartAsync();

        drone.Controller.Spawn(backend);

        var ended = await drone.EndedAsync(backend);
        Assert.Equal(TerminationReason.Swept, ended.TerminationReason);
        Assert.Empty(drone.Runtime.Containers);
        await Eventually.TrueAsync(() => drone.Controller.Acknowledged.Contains(2), "the spawn is acknowledged");
    }

    [Fact]
    public async Task A_spawn_of_a_kind_that_the_drone_does_not_run_ends_with_a_message()
    {
        await using var drone = await DroneUnderTest.StartedAsync();

        var backend = drone.Controller.Spawn(null, o => o with { Executable = new Executable { Image = "busybox" } });

        var ended = await drone.EndedAsync(backend);
        Assert.Equal(TerminationReason.InternalError, ended.TerminationReason);
        Assert.Contains("docker", ended.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_soft_end_is_a_signal_and_its_reason_is_kept()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();

        drone.Controller.Terminate(backend, TerminationKind.Soft, TerminationReason.Swept);

        var ended = await drone.EndedAsync(backend);
        Assert.Equal((TerminationReason.Swept, TerminationKind.Soft, 0), (ended.TerminationReason, ended.TerminationKind, ended.ExitCode));
        Assert.Contains(BackendStatus.Terminating, drone.Controller.StatesOf(backend));
        Assert.Contains($"stop {backend.Backend}", drone.Runtime.Calls);
        Assert.DoesNotContain($"kill {backend.Backend}", drone.Runtime.Calls);
    }

    [Fact]
    public async Task A_hard_end_is_a_kill()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();

        drone.Controller.Terminate(backend, TerminationKind.Hard);

        var ended = await drone.EndedAsync(backend);
        Assert.Equal((TerminationReason.External, TerminationKind.Hard, 137), (ended.TerminationReason, ended.TerminationKind, ended.ExitCode));
        Assert.Contains(BackendStatus.HardTerminating, drone.Controller.StatesOf(backend));
        Assert.DoesNotContain($"stop {backend.Backend}", drone.Runtime.Calls);
    }

    [Fact]
    public async Task A_hard_end_after_a_soft_one_does_not_wait_for_the_grace()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.ObeysStop = false);
        var backend = await drone.ReadyBackendAsync();
        drone.Controller.Terminate(backend, TerminationKind.Soft, TerminationReason.Swept);
        await drone.SeenAsync(backend, BackendStatus.Terminating);

        drone.Controller.Terminate(backend, TerminationKind.Hard, TerminationReason.External);

        var ended = await drone.EndedAsync(backend);
        Assert.Equal((TerminationReason.Swept, TerminationKind.Hard), (ended.TerminationReason, ended.TerminationKind));
    }
}
