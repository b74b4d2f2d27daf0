using System.Diagnostics;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Supervision;
using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>What the next agent makes of what the last one left. The last one ends as by a kill: it ends nothing and says nothing.</summary>
public sealed class RestartTests
{
    [Fact]
    public async Task What_runs_and_is_in_the_file_is_adopted_without_a_new_start()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();

        await drone.RestartAsync();
        await Eventually.EndsAsync(drone.Status.WhenReady, "it is ready");

        Assert.Equal(1, drone.Runtime.Running);
        Assert.Single(drone.Runtime.Calls, c => c == $"start {backend.Backend}");
        Assert.Null(drone.Controller.Ended(backend));
        drone.Runtime.Exit(backend, 6);
        Assert.Equal(6, (await drone.EndedAsync(backend)).ExitCode);
    }

    [Fact]
    public async Task Adoption_needs_no_controller()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        await drone.StopAsync();
        drone.Controller.IsAway = true;

        await drone.StartAsync();

        await Eventually.TrueAsync(() => drone.Log.Contains($"{backend.Backend} was adopted"), "it is adopted");
    }

    [Fact]
    public async Task What_runs_and_is_not_in_the_file_is_ended_and_not_reported()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        await Eventually.TrueAsync(() => drone.Controller.Acknowledged.Contains(1), "the spawn is acknowledged");
        await drone.StopAsync();
        drone.Options.StateFile = drone.File("another.db");

        await drone.StartAsync();

        await Eventually.TrueAsync(() => drone.Runtime.Running == 0, "it is ended");
        Assert.Null(drone.Controller.Ended(backend));
    }

    [Fact]
    public async Task What_exited_meanwhile_ends_with_its_exit_code()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        await drone.StopAsync();
        drone.Runtime.Exit(backend, 11);

        await drone.StartAsync();

        var ended = await drone.EndedAsync(backend);
        Assert.Equal((11, null), (ended.ExitCode, ended.TerminationReason));
    }

    [Fact]
    public void An_exit_from_before_the_agent_looked_keeps_its_cause_though_it_was_reported_before_that_was_known()
    {
        var signals = new TerminationSignals();
        var exit = new BackendExit(FakeController.NewIdentity(), 143, null) { Cause = new ExitCause(TerminationReason.External, TerminationKind.Soft, "for the test") };
        signals.RequestTermination(new TerminationCause(TerminationKind.Hard, TerminationReason.KeyExpired));
        signals.OnExited(exit);

        signals.OnExitedBefore(exit);

        Assert.Equal(TerminationReason.External, signals.Cause?.Reason);
    }

    [Fact]
    public async Task What_is_gone_without_a_trace_ends_with_internalerror()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        await drone.StopAsync();
        drone.Runtime.Containers.TryRemove(backend, out var container);
        container!.Dispose();

        await drone.StartAsync();

        Assert.Equal(TerminationReason.InternalError, (await drone.EndedAsync(backend)).TerminationReason);
    }

    [Fact]
    public async Task A_spawn_that_was_taken_and_not_started_goes_on()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        drone.Runtime.OnPrepare = (_, cancel) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel);
        var backend = drone.Controller.Spawn();
        await drone.SeenAsync(backend, BackendStatus.Loading);
        await drone.StopAsync();
        drone.Runtime.OnPrepare = (_, _) => Task.CompletedTask;

        await drone.StartAsync();

        await drone.SeenAsync(backend, BackendStatus.Ready);
    }

    [Fact]
    public async Task A_stop_goes_on_to_the_kill_at_the_moment_that_was_stored()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.ObeysStop = false);
        var backend = await drone.ReadyBackendAsync();
        drone.Controller.Terminate(backend, TerminationKind.Soft, TerminationReason.Swept);
        await drone.SeenAsync(backend, BackendStatus.Terminating);
        await drone.StopAsync();
        drone.Clock.Advance(drone.Numbers.Grace / 2);
        await drone.StartAsync();
        await Eventually.TrueAsync(() => drone.Runtime.Calls.Count(c => c == $"stop {backend.Backend}") == 2, "it is signalled again");
        Assert.DoesNotContain($"kill {backend.Backend}", drone.Runtime.Calls);

        drone.Clock.Advance(drone.Numbers.Grace / 2);

        Assert.Equal(TerminationReason.Swept, (await drone.EndedAsync(backend)).TerminationReason);
        Assert.Contains($"kill {backend.Backend}", drone.Runtime.Calls);
    }

    [Fact]
    public async Task An_end_that_was_acknowledged_and_not_begun_is_begun()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        await drone.State.ApplyActionsAsync(
            [
                new DroneAction
                {
                    Number = 2,
                    Identity = backend,
                    Kind = DroneActionKind.Terminate,
                    Terminate = new TerminateOrder { Kind = TerminationKind.Soft, Reason = TerminationReason.External },
                },
            ],
            _ => null);

        await drone.RestartAsync();

        Assert.Equal(TerminationReason.External, (await drone.EndedAsync(backend)).TerminationReason);
    }

    [Fact]
    public async Task Past_the_hard_deadline_it_is_killed_before_any_controller_answers()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.ObeysStop = false);
        await drone.ReadyBackendAsync();
        await drone.StopAsync();
        drone.Controller.IsAway = true;
        drone.Clock.Advance(drone.Numbers.Hard);

        await drone.StartAsync();

        await Eventually.TrueAsync(() => drone.Runtime.Running == 0, "it is killed");
    }

    [Fact]
    public async Task After_a_reboot_nothing_is_adopted()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.ObeysStop = false);
        var backend = await drone.ReadyBackendAsync();
        await drone.StopAsync();
        drone.Clock.BootId = "boot-2";

        await drone.StartAsync();

        Assert.Equal(TerminationReason.KeyExpired, (await drone.EndedAsync(backend)).TerminationReason);
        Assert.Equal(0, drone.Runtime.Running);
    }

    [Theory]
    [InlineData("boot-1", true)]
    [InlineData("boot-2", false)]
    public async Task While_the_runtime_is_silent_what_was_stored_is_killed_by_its_number_in_the_same_boot_alone(string boot, bool isKilled)
    {
        using var process = Process.Start(new ProcessStartInfo("/bin/sleep", "600"))!;
        try
        {
            var startTime = ProcessIdentity.TryRead(process.Id)!.Value.StartTime;
            await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.Process = () => (process.Id, startTime));
            var backend = await drone.ReadyBackendAsync();
            await Eventually.SeenAsync(async _ => (await drone.RowAsync(backend))!.Pid, pid => pid == process.Id, "its number is stored");
            await drone.StopAsync();
            var asked = 0;
            drone.Runtime.OnCheck = _ => throw new RuntimeUnavailableException("silent for the test");
            drone.Runtime.OnKill = (_, _) => throw new RuntimeUnavailableException("silent for the test");
            drone.Runtime.OnGone = (_, _) => Interlocked.Increment(ref asked) < 3 ? throw new RuntimeUnavailableException("silent for the test") : Task.CompletedTask;
            drone.Clock.BootId = boot;
            drone.Clock.Advance(drone.Numbers.Hard);

            await drone.StartAsync();

            await Eventually.TrueAsync(() => Volatile.Read(ref asked) >= 3, "the runtime was silent while it was made sure of");
            if (isKilled)
            {
                await Eventually.EndsAsync(process.WaitForExitAsync(), "the process is killed");
            }

            Assert.Equal(isKilled, process.HasExited);
        }
        finally
        {
            process.Kill();
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_runs_of_a_backend_that_its_runtime_has_forgotten_is_killed_before_its_end_is_reported(bool isInTheStateFile)
    {
        using var process = Process.Start(new ProcessStartInfo("/bin/sleep", "600"))!;
        try
        {
            var identity = ProcessIdentity.TryRead(process.Id)!.Value;
            await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.Process = () => (identity.Pid, identity.StartTime));
            var backend = await drone.ReadyBackendAsync();
            if (!isInTheStateFile)
            {
                // As an agent leaves it that ends before its disk has taken the process: the lease has it.
                await drone.State.Writer.WriteAsync(s => s.Execute("update backends set pid = null, start_time = null, status = $1", (int)BackendStatus.Starting));
            }

            await drone.StopAsync();
            drone.Runtime.Containers.TryRemove(backend, out var container);
            container!.Dispose();

            await drone.StartAsync();

            var ended = await drone.EndedAsync(backend);
            Assert.False(identity.IsRunning);
            Assert.Equal(TerminationReason.InternalError, ended.TerminationReason);
            Assert.Single(drone.Runtime.Calls, c => c == $"start {backend.Backend}");
        }
        finally
        {
            process.Kill();
        }
    }

    [Fact]
    public async Task A_runtime_that_is_away_at_the_start_delays_adoption_and_not_the_renewals()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        await drone.StopAsync();
        drone.Runtime.OnCheck = _ => throw new RuntimeUnavailableException("for the test");

        await drone.StartAsync();
        await Eventually.TrueAsync(() => drone.Controller.Renewals.Any(b => b.Items.Contains(backend)), "it is renewed");
        Assert.False(drone.Controller.Registrations.Last().Ready);
        drone.Runtime.OnCheck = _ => Task.CompletedTask;

        await Eventually.TrueAsync(() => drone.Log.Contains($"{backend.Backend} was adopted"), "it is adopted");
        Assert.Equal(1, drone.Runtime.Running);
    }

    [Fact]
    public async Task A_port_rests_after_its_backend_and_over_a_restart()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Options.PortTo = d.Options.PortFrom + 1);
        var first = await drone.ReadyBackendAsync();
        var port = drone.Runtime.Containers[first].Order!.Port;
        drone.Runtime.Exit(first, 0);
        await drone.EndedAsync(first);
        await drone.RestartAsync();

        var second = await drone.ReadyBackendAsync();
        var third = drone.Controller.Spawn();

        Assert.NotEqual(port, drone.Runtime.Containers[second].Order!.Port);
        Assert.Equal(TerminationReason.InternalError, (await drone.EndedAsync(third)).TerminationReason);
    }

    [Fact]
    public async Task A_port_that_has_rested_is_given_again()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d =>
        {
            d.Options.PortTo = d.Options.PortFrom;
            d.Options.PortRest = TimeSpan.FromSeconds(1);
        });
        var first = await drone.ReadyBackendAsync();
        drone.Runtime.Exit(first, 0);
        await drone.EndedAsync(first);

        drone.Clock.Advance(TimeSpan.FromSeconds(1));
        await Eventually.TrueAsync(() => drone.Controller.Heartbeats.Last().Reading == drone.Clock.Milliseconds, "a heartbeat with the new reading");

        await drone.ReadyBackendAsync();
    }

    [Fact]
    public async Task A_drone_whose_ports_all_rest_says_that_it_takes_no_backends_and_does_all_else()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Options.PortTo = d.Options.PortFrom + 1);
        var first = await drone.ReadyBackendAsync();
        var second = await drone.ReadyBackendAsync();
        Assert.True(drone.Controller.Heartbeats.Last().Ready, "one that has all its backends is full, and the controller knows how many it has");
        drone.Runtime.Exit(first, 0);
        await drone.EndedAsync(first);
        await Eventually.TrueAsync(() => !drone.Controller.Heartbeats.Last().Ready, "it has room and no port");

        await drone.RestartAsync();
        await Eventually.EndsAsync(drone.Status.WhenReady, "it is ready to be told");
        Assert.False(drone.Controller.Registrations.Last().Ready);
        drone.Controller.Terminate(second);
        await drone.EndedAsync(second);

        drone.Clock.Advance(drone.Options.PortRest);
        await Eventually.TrueAsync(() => drone.Controller.Heartbeats.Last().Ready, "its ports have rested");
        await drone.ReadyBackendAsync();
    }

    [Fact]
    public async Task A_spawn_waits_for_a_port_that_will_soon_have_rested()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d =>
        {
            d.Options.PortTo = d.Options.PortFrom;
            d.Options.PortRest = TimeSpan.FromSeconds(1);
        });
        var first = await drone.ReadyBackendAsync();
        drone.Runtime.Exit(first, 0);
        await drone.EndedAsync(first);
        var second = drone.Controller.Spawn();
        await Eventually.TrueAsync(() => drone.Log.Contains($"Backend {second.Backend} cannot continue its start yet and retries: no port from"), "it waits");
        Assert.DoesNotContain($"prepare {second.Backend}", drone.Runtime.Calls);

        drone.Clock.Advance(TimeSpan.FromSeconds(1));
        await drone.SeenAsync(second, BackendStatus.Ready);
    }

    [Fact]
    public async Task A_port_of_a_backend_that_was_never_told_of_it_does_not_rest()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d =>
        {
            d.Options.PortTo = d.Options.PortFrom;
            d.Runtime.OnPrepare = (_, _) => throw new Plane.DroneHost.Runtimes.RuntimeFailureException("no such image");
        });
        await drone.EndedAsync(drone.Controller.Spawn());
        drone.Runtime.OnPrepare = (_, _) => Task.CompletedTask;

        await drone.ReadyBackendAsync();
    }
}
