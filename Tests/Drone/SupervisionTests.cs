using System.Diagnostics;
using Plane.DroneHost.Runtimes;
using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>What goes wrong in a backend's life, and that nothing is left running.</summary>
public sealed class SupervisionTests
{
    [Fact]
    public async Task A_backend_that_never_answers_ends_with_startuptimeout()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d =>
        {
            d.Options.StartupLimit = TimeSpan.FromMilliseconds(200);
            d.Runtime.Listens = false;
        });

        var backend = drone.Controller.Spawn();

        var ended = await drone.EndedAsync(backend);
        Assert.Equal(TerminationReason.StartupTimeout, ended.TerminationReason);
        Assert.Equal(0, drone.Runtime.Running);
        Assert.DoesNotContain(BackendStatus.Ready, drone.Controller.StatesOf(backend));
    }

    [Fact]
    public async Task A_runtime_that_cannot_bring_it_up_ends_it_with_internalerror_and_the_cause()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        drone.Runtime.OnPrepare = (_, _) => throw new RuntimeFailureException("no such image: for the test");

        var backend = drone.Controller.Spawn();

        var ended = await drone.EndedAsync(backend);
        Assert.Equal((TerminationReason.InternalError, "no such image: for the test"), (ended.TerminationReason, ended.Message));
    }

    [Fact]
    public async Task A_failed_start_leaves_nothing_behind()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        drone.Runtime.OnStart = (_, _) => throw new RuntimeFailureException("port taken: for the test");

        var backend = drone.Controller.Spawn();

        Assert.Equal(TerminationReason.InternalError, (await drone.EndedAsync(backend)).TerminationReason);
        Assert.Empty(drone.Runtime.Containers);
    }

    [Fact]
    public async Task The_exit_of_what_a_failed_start_made_is_not_the_backends_end()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        drone.Runtime.OnStart = async (start, _) =>
        {
            // The engine has started it, says that it failed, and what it made is removed.
            drone.Runtime.Containers[start.Identity].Start(start, 0, 0, listens: false);
            drone.Runtime.Exit(start.Identity, 137);
            await Eventually.TrueAsync(() => drone.Log.Contains($"{start.Identity.Backend} exited with 137"), "the exit is seen");
            drone.Runtime.Containers.TryRemove(start.Identity, out FakeContainer? _);
            throw new RuntimeFailureException("containerd is gone: for the test");
        };

        var ended = await drone.EndedAsync(drone.Controller.Spawn());

        Assert.Equal((TerminationReason.InternalError, "containerd is gone: for the test", null), (ended.TerminationReason, ended.Message, ended.ExitCode));
    }

    [Fact]
    public async Task An_exit_that_is_seen_before_its_start_is_answered_is_the_backends_end()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.Listens = false);
        drone.Runtime.OnStart = async (start, _) =>
        {
            drone.Runtime.Containers[start.Identity].Start(start, 0, 0, listens: false);
            drone.Runtime.Exit(start.Identity, 4);
            await Eventually.TrueAsync(() => drone.Log.Contains($"{start.Identity.Backend} exited with 4"), "the exit is seen");
        };

        var ended = await drone.EndedAsync(drone.Controller.Spawn());

        Assert.Equal((null, 4), (ended.TerminationReason, ended.ExitCode));
    }

    [Fact]
    public async Task An_end_that_an_operator_caused_is_external()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();

        drone.Runtime.Exit(backend, 143, TerminationReason.External);

        var ended = await drone.EndedAsync(backend);
        Assert.Equal((TerminationReason.External, 143, "for the test"), (ended.TerminationReason, ended.ExitCode, ended.Message));
    }

    [Fact]
    public async Task What_a_runtime_says_of_an_end_that_the_drone_asked_for_does_not_count()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.ObeysStop = false);
        var backend = await drone.ReadyBackendAsync();
        drone.Runtime.OnStop = b =>
        {
            // A runtime sees the drone's own signals, and does not know whose they are.
            drone.Runtime.Exit(b, 143, TerminationReason.InternalError);
            return Task.CompletedTask;
        };

        drone.Controller.Terminate(backend, TerminationKind.Soft, TerminationReason.Swept);

        var ended = await drone.EndedAsync(backend);
        Assert.Equal((TerminationReason.Swept, TerminationKind.Soft, null), (ended.TerminationReason, ended.TerminationKind, ended.Message));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_comes_to_run_after_its_end_is_ended(bool isNoticed)
    {
        // Without a notice only the comparison finds it; with one, that comes at once.
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Options.CheckEvery = TimeSpan.FromMilliseconds(isNoticed ? 3_600_000 : 100));
        var backend = await drone.ReadyBackendAsync();
        var supervised = await drone.ReadyBackendAsync();
        var container = drone.Runtime.Containers[backend];
        drone.Controller.Terminate(backend);
        await drone.EndedAsync(backend);

        container.Start(container.Order!, 0, 0, listens: false);
        if (isNoticed)
        {
            drone.Runtime.Notice();
        }

        await Eventually.TrueAsync(() => container.State == FoundState.Exited, $"it is ended; log:\n{drone.Log}");
        Assert.Equal(FoundState.Running, drone.Runtime.Containers[supervised].State);
        await Eventually.TrueAsync(() => drone.Log.Contains($"{backend.Backend} (fencing token {backend.Token}) was not supervised"), "it is said");
    }

    [Fact]
    public async Task A_runtime_that_is_away_for_a_moment_costs_only_time()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var away = 3;
        drone.Runtime.OnPrepare = (_, _) => Interlocked.Decrement(ref away) >= 0 ? throw new RuntimeUnavailableException("away") : Task.CompletedTask;

        await drone.ReadyBackendAsync();
    }

    [Fact]
    public async Task A_runtime_that_stays_away_ends_it_with_internalerror()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Options.RuntimeAwayLimit = TimeSpan.FromMilliseconds(100));
        drone.Runtime.OnStart = (_, _) => throw new RuntimeUnavailableException("for the test");

        var backend = drone.Controller.Spawn();

        var ended = await drone.EndedAsync(backend);
        Assert.Equal(TerminationReason.InternalError, ended.TerminationReason);
        Assert.Contains("for the test", ended.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_runtime_that_is_away_twice_is_not_away_for_the_sum_of_both()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var attempts = 0;
        drone.Runtime.OnPrepare = (start, _) =>
        {
            if (Interlocked.Increment(ref attempts) > 3)
            {
                return Task.CompletedTask;
            }

            // A long pull, in whose end the engine goes away.
            drone.Time.Advance(drone.Options.RuntimeAwayLimit * 2);
            start.Progress!("pulling");
            throw new RuntimeUnavailableException("for the test");
        };

        await drone.ReadyBackendAsync();

        Assert.Equal(4, Volatile.Read(ref attempts));
    }

    [Fact]
    public async Task A_backend_told_to_end_while_it_loads_is_not_started()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        drone.Runtime.OnPrepare = (_, cancel) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel);
        var backend = drone.Controller.Spawn();
        await drone.SeenAsync(backend, BackendStatus.Loading);

        drone.Controller.Terminate(backend);

        Assert.Equal(TerminationReason.External, (await drone.EndedAsync(backend)).TerminationReason);
        Assert.DoesNotContain($"start {backend.Backend}", drone.Runtime.Calls);
    }

    [Fact]
    public async Task A_backend_told_to_end_while_a_start_does_not_come_back_ends_only_when_it_has()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var stuck = new TaskCompletionSource();
        drone.Runtime.OnStart = (_, _) => stuck.Task;
        var backend = drone.Controller.Spawn();
        await Eventually.TrueAsync(() => drone.Runtime.Calls.Contains($"start {backend.Backend}"), "the start");

        drone.Controller.Terminate(backend, TerminationKind.Hard);
        await Eventually.TrueAsync(() => drone.Log.Contains("because a start is still in progress"), "it is asked whether it is gone");
        Assert.Null(drone.Controller.Ended(backend));
        stuck.SetResult();

        await drone.EndedAsync(backend);
        Assert.Empty(drone.Runtime.Containers);
    }

    [Fact]
    public async Task Terminated_is_reported_only_after_the_runtime_said_that_nothing_runs()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        var asked = 0;
        var silent = true;
        drone.Runtime.OnGone = (_, _) =>
        {
            Interlocked.Increment(ref asked);
            return Volatile.Read(ref silent) ? throw new RuntimeUnavailableException("for the test") : Task.CompletedTask;
        };

        drone.Runtime.Exit(backend, 5);
        await Eventually.TrueAsync(() => Volatile.Read(ref asked) >= 3, "it is asked again and again");
        Assert.Null(drone.Controller.Ended(backend));
        Assert.NotEqual(BackendStatus.Terminated, (await drone.RowAsync(backend))!.Status);
        Volatile.Write(ref silent, false);

        Assert.Equal(5, (await drone.EndedAsync(backend)).ExitCode);
    }

    [Fact]
    public async Task A_kill_that_the_runtime_does_not_confirm_is_done_directly()
    {
        using var process = Process.Start(new ProcessStartInfo("/bin/sleep", "600"))!;
        var startTime = ProcessIdentity.TryRead(process.Id)!.Value.StartTime;
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.Process = () => (process.Id, startTime));
        var backend = await drone.ReadyBackendAsync();
        drone.Runtime.OnKill = (_, cancel) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel);
        drone.Runtime.OnGone = (_, cancel) => process.HasExited ? Task.CompletedTask : throw new RuntimeUnavailableException("wedged for the test");

        drone.Controller.Terminate(backend, TerminationKind.Hard);

        await Eventually.EndsAsync(process.WaitForExitAsync(), "the process is killed");
        await drone.EndedAsync(backend);
    }

    [Fact]
    public async Task A_process_that_only_has_the_number_of_an_ended_one_is_not_killed()
    {
        using var process = Process.Start(new ProcessStartInfo("/bin/sleep", "600"))!;
        try
        {
            await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.Process = () => (process.Id, 1));
            var backend = await drone.ReadyBackendAsync();
            drone.Runtime.OnKill = (_, _) => throw new RuntimeUnavailableException("for the test");

            drone.Controller.Terminate(backend, TerminationKind.Hard);

            await drone.EndedAsync(backend);
            Assert.False(process.HasExited);
        }
        finally
        {
            process.Kill();
        }
    }

    [Fact]
    public async Task A_stop_signal_that_the_runtime_did_not_take_is_sent_again()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        var failures = 2;
        drone.Runtime.OnStop = _ => Interlocked.Decrement(ref failures) >= 0 ? throw new RuntimeUnavailableException("away") : Task.CompletedTask;

        drone.Controller.Terminate(backend);

        Assert.Equal(0, (await drone.EndedAsync(backend)).ExitCode);
    }

    [Fact]
    public async Task A_container_that_was_removed_behind_the_drones_back_ends_with_internalerror()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();

        drone.Runtime.Containers.TryRemove(backend, out var container);
        container!.Dispose();

        Assert.Equal(TerminationReason.InternalError, (await drone.EndedAsync(backend)).TerminationReason);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_runs_of_a_backend_that_its_runtime_has_forgotten_is_killed_before_its_end_is_reported(bool isRecorded)
    {
        var recorded = (Pid: 0, StartTime: 0L);
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.Process = () => recorded);
        var backend = FakeController.NewIdentity();
        using var process = Process.Start(new ProcessStartInfo("/bin/sleep", "600")
        {
            // A process that no start has reported is known by these alone.
            Environment = { ["SESSION_BACKEND_ID"] = backend.Backend.Value, ["SESSION_BACKEND_FENCING_TOKEN"] = backend.Token.ToString() },
        })!;
        try
        {
            var identity = ProcessIdentity.TryRead(process.Id)!.Value;
            recorded = isRecorded ? (identity.Pid, identity.StartTime) : recorded;
            drone.Controller.Spawn(backend);
            await drone.SeenAsync(backend, BackendStatus.Ready);

            // As an engine does that was restarted without its state.
            drone.Runtime.Containers.TryRemove(backend, out var container);
            container!.Dispose();

            var ended = await drone.EndedAsync(backend);
            Assert.False(identity.IsRunning);
            Assert.Equal(TerminationReason.InternalError, ended.TerminationReason);
        }
        finally
        {
            process.Kill();
        }
    }

    [Fact]
    public async Task A_drone_without_a_free_port_says_so()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Options.PortTo = d.Options.PortFrom);
        await drone.ReadyBackendAsync();

        var second = drone.Controller.Spawn();

        Assert.Contains("port", (await drone.EndedAsync(second)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_the_options_say_so_backends_end_with_the_agent_and_are_reported()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Options.EndBackendsOnStop = true);
        var backend = await drone.ReadyBackendAsync();

        await drone.StopAsync();

        Assert.Equal(0, drone.Runtime.Running);
        Assert.NotNull(drone.Controller.Ended(backend));
    }

    [Fact]
    public async Task A_stop_does_not_wait_for_ever_for_a_backend_that_does_not_end_and_names_it()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d =>
        {
            d.Options.EndBackendsOnStop = true;
            d.Options.StopGrace = TimeSpan.FromMilliseconds(100);
            d.Options.EndLimit = TimeSpan.FromMilliseconds(200);
        });
        var backend = await drone.ReadyBackendAsync();
        drone.Runtime.OnGone = (_, _) => throw new RuntimeUnavailableException("for the test");

        await Eventually.EndsAsync(drone.StopAsync(), "it stops");

        Assert.True(drone.Log.Contains($"the end of 1 backends is not confirmed: {backend.Backend}"), $"{drone.Log}");
        Assert.Null(drone.Controller.Ended(backend));
    }

    [Fact]
    public async Task A_stop_does_not_wait_for_ever_for_a_start_that_does_not_come_back()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        drone.Runtime.OnStart = (_, _) => new TaskCompletionSource().Task;
        var backend = drone.Controller.Spawn();
        await Eventually.TrueAsync(() => drone.Runtime.Calls.Contains($"start {backend.Backend}"), "the start");

        await Eventually.EndsAsync(drone.StopAsync(), "it stops");
    }

    [Fact]
    public async Task A_backend_that_is_being_stopped_when_backends_end_with_the_agent_gets_no_longer_grace_than_the_others()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d =>
        {
            d.Options.EndBackendsOnStop = true;
            d.Options.StopGrace = TimeSpan.FromMilliseconds(100);
            d.Runtime.ObeysStop = false;
        });
        var backend = await drone.ReadyBackendAsync(o => o with { Executable = o.Executable with { StopGraceSeconds = 600 } });
        drone.Controller.Terminate(backend);
        await drone.SeenAsync(backend, BackendStatus.Terminating);

        var stopping = drone.StopAsync();
        await Eventually.TrueAsync(
            () =>
            {
                // In small steps: the grace is counted from a moment that the test doesn't see, and the lease must not expire.
                drone.Clock.Advance(TimeSpan.FromMilliseconds(10));
                return drone.Runtime.Running == 0;
            },
            "it is killed");

        await Eventually.EndsAsync(stopping, "it stops");
        Assert.Equal(TerminationReason.External, drone.Controller.Ended(backend)!.TerminationReason);
    }

    [Fact]
    public async Task A_spawn_that_comes_while_backends_end_with_the_agent_is_ended_too()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Options.EndBackendsOnStop = true);
        var first = await drone.ReadyBackendAsync();
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        drone.Runtime.OnGone = (b, _) => b == first ? held.Task : Task.CompletedTask;
        var stopping = drone.StopAsync();
        await Eventually.TrueAsync(() => drone.Runtime.Calls.Contains($"gone {first.Backend}"), "the first one ends");

        var second = drone.Controller.Spawn();

        await drone.EndedAsync(second);
        Assert.DoesNotContain($"start {second.Backend}", drone.Runtime.Calls);
        held.SetResult();
        await Eventually.EndsAsync(stopping, "it stops");
        Assert.Equal(0, drone.Runtime.Running);
    }

    [Fact]
    public async Task A_runtime_that_is_away_makes_the_drone_unready_until_it_is_back()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        drone.Runtime.OnCheck = _ => throw new RuntimeUnavailableException("for the test");
        await Eventually.TrueAsync(() => !drone.Controller.Heartbeats.Last().Ready, "it says that it is not ready");

        drone.Runtime.OnCheck = _ => Task.CompletedTask;

        await Eventually.TrueAsync(() => drone.Controller.Heartbeats.Last().Ready, "it says that it is ready");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Of_two_runtimes_the_one_that_answers_is_served_and_the_other_is_said_to_be_unavailable(bool fromTheStart)
    {
        var engine = new FakeRuntime(ExecutorKind.Docker);
        Task Unavailable(CancellationToken cancellationToken) => throw new RuntimeUnavailableException("for the test");
        engine.OnCheck = fromTheStart ? Unavailable : engine.OnCheck;
        await using var drone = await DroneUnderTest.StartedAsync(d =>
        {
            d.Options.Runtime = "docker,process";
            d.More = engine;
        });
        (bool, string, string) Says() => drone.Controller.Heartbeats.Last() is var last
            ? (last.Ready, string.Join(' ', last.Kinds!), string.Join(' ', last.UnavailableKinds!))
            : default;
        if (!fromTheStart)
        {
            Assert.Equal((true, "Docker Process", ""), Says());
            engine.OnCheck = Unavailable;
        }

        await Eventually.SeenAsync(Says, s => s == (true, "Process", "Docker"), "it serves processes");
        await drone.ReadyBackendAsync();

        engine.OnCheck = _ => Task.CompletedTask;
        await Eventually.SeenAsync(Says, s => s == (true, "Docker Process", ""), "it serves both");
        engine.OnCheck = Unavailable;
        drone.Runtime.OnCheck = Unavailable;
        await Eventually.SeenAsync(Says, s => !s.Item1, "it serves nothing");
    }

    [Fact]
    public async Task A_runtime_that_is_away_is_told_of_once_and_when_it_is_back()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var asked = 0;
        drone.Runtime.OnCheck = _ =>
        {
            Interlocked.Increment(ref asked);
            throw new RuntimeUnavailableException("for the test");
        };
        await Eventually.TrueAsync(() => Volatile.Read(ref asked) > 5, "it is asked several times");

        drone.Runtime.OnCheck = _ => Task.CompletedTask;

        await Eventually.TrueAsync(() => drone.Log.Contains("The Process runtime answers again"), "it is back");
        Assert.Equal(1, drone.Log.Count("The Process runtime does not answer: for the test"));
    }

    [Fact]
    public async Task The_end_of_a_backend_is_told_without_what_is_not_known()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var ended = await drone.ReadyBackendAsync();
        drone.Runtime.Exit(ended, 2);
        await drone.EndedAsync(ended);
        drone.Runtime.OnStart = (_, _) => throw new RuntimeFailureException("for the test");
        var failed = drone.Controller.Spawn();
        await drone.EndedAsync(failed);

        Assert.True(drone.Log.Contains($"{ended.Backend} is gone (by itself), exit code 2"), $"{drone.Log}");
        Assert.True(drone.Log.Contains($"{failed.Backend} is gone (InternalError), without an exit code"), $"{drone.Log}");
    }
}
