using Plane.DroneHost.Guard;
using Plane.Tests.Drone;
using Plane.Testing;

namespace Plane.Tests.Guard;

/// <summary>What the agent writes for the guard, when, and what it makes of the guard's marks. The clock moves only when a test says so.</summary>
public sealed class AgentOrderTests
{
    [Fact]
    public async Task A_lease_stands_before_anything_is_created_and_names_the_process_after_the_start()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.Process = () => (4242, 17));
        LeaseFile? atCreation = null;
        drone.Runtime.OnPrepare = (start, _) =>
        {
            Assert.False(File.Exists(Of(drone).LeaseOf(start.Identity)));
            return Task.CompletedTask;
        };
        drone.Runtime.OnStart = (start, _) =>
        {
            atCreation = Read(drone, start.Identity);
            return Task.CompletedTask;
        };

        var backend = await drone.ReadyBackendAsync();

        Assert.NotNull(atCreation);
        Assert.Equal((drone.Controller.Instance, drone.Clock.BootId, null), (atCreation.Instance, atCreation.Boot, atCreation.Pid));
        await Eventually.SeenAsync(() => Read(drone, backend)!, l => l is { Pid: 4242, StartTime: 17 }, "the process is in the lease");
        Assert.Equal(drone.Backends.Find(backend)!.Lease.Deadlines, Read(drone, backend)!.Deadlines());

        drone.Runtime.Exit(backend, 0);
        await drone.EndedAsync(backend);
        await Eventually.TrueAsync(() => !File.Exists(Of(drone).LeaseOf(backend)), "the lease goes with the backend");
    }

    [Fact]
    public async Task A_renewal_moves_the_lease_though_the_state_file_cannot_be_written()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        var before = Read(drone, backend)!.HardAt;
        drone.State.Writer.Fault = () => throw new IOException("No space left on device");

        drone.Clock.Advance(drone.Numbers.RenewAfter);

        var later = await Eventually.SeenAsync(() => Read(drone, backend)!.HardAt, h => h > before, "the lease is prolonged");
        Assert.True(later <= drone.Clock.Milliseconds + drone.Numbers.Hard.TotalMilliseconds);
        Assert.Equal(before, (await drone.RowAsync(backend))!.Deadlines.HardAt);

        // The next agent finds the later deadline there: the state file's alone would have it killed.
        await drone.StopAsync();
        drone.Controller.IsAway = true;
        drone.Clock.Advance(TimeSpan.FromMilliseconds(before - drone.Clock.Milliseconds));
        await drone.StartAsync();
        await Eventually.TrueAsync(() => drone.Log.Contains($"{backend.Backend} was adopted"), "it is adopted");
        Assert.Equal(1, drone.Runtime.Running);
        Assert.DoesNotContain($"kill {backend.Backend}", drone.Runtime.Calls);
    }

    [Fact]
    public async Task A_mark_that_comes_between_creation_and_start_keeps_it_from_starting()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        drone.Runtime.OnStart = (start, cancel) => File.WriteAllTextAsync(Of(drone).MarkOf(start.Identity), "", cancel);

        var backend = drone.Controller.Spawn();

        Assert.Equal(TerminationReason.KeyExpired, (await drone.EndedAsync(backend)).TerminationReason);
        Assert.DoesNotContain(BackendStatus.Waiting, drone.Controller.StatesOf(backend));
        Assert.Empty(drone.Runtime.Containers);
    }

    [Fact]
    public async Task What_the_guard_ended_while_the_agent_stood_still_is_reported_as_expired()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        await File.WriteAllTextAsync(Of(drone).MarkOf(backend), "");

        drone.Runtime.Exit(backend, 137);

        Assert.Equal(TerminationReason.KeyExpired, (await drone.EndedAsync(backend)).TerminationReason);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_marked_backend_is_not_adopted(bool isRunning)
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.ObeysStop = false);
        var backend = await drone.ReadyBackendAsync();
        await drone.StopAsync();
        await File.WriteAllTextAsync(Of(drone).MarkOf(backend), "");
        if (!isRunning)
        {
            drone.Runtime.Containers.TryRemove(backend, out var container);
            container!.Dispose();
        }

        await drone.StartAsync();

        Assert.Equal(TerminationReason.KeyExpired, (await drone.EndedAsync(backend)).TerminationReason);
        Assert.Equal(0, drone.Runtime.Running);
    }

    [Fact]
    public async Task What_exited_by_itself_did_so_though_its_deadlines_have_passed_since()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        await drone.StopAsync();
        drone.Runtime.Exit(backend, 3);
        drone.Clock.Advance(drone.Numbers.Expiry);

        await drone.StartAsync();

        var ended = await drone.EndedAsync(backend);
        Assert.Equal((3, null), (ended.ExitCode, ended.TerminationReason));
    }

    [Fact]
    public async Task Between_soft_and_hard_it_is_adopted_to_end_gracefully()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        await drone.StopAsync();
        drone.Controller.IsAway = true;
        drone.Clock.Advance(drone.Numbers.Soft);

        await drone.StartAsync();

        await Eventually.TrueAsync(() => drone.Runtime.Running == 0, "it ends");
        Assert.Contains($"stop {backend.Backend}", drone.Runtime.Calls);
        Assert.DoesNotContain($"kill {backend.Backend}", drone.Runtime.Calls);
        drone.Controller.IsAway = false;
        Assert.Equal(TerminationReason.KeyExpired, (await drone.EndedAsync(backend)).TerminationReason);
    }

    [Theory]
    [InlineData(false, BackendStatus.Ready, null)]
    [InlineData(true, BackendStatus.Terminated, TerminationReason.KeyExpired)]
    public async Task What_was_created_and_not_started_is_removed_and_goes_on_from_loading_before_the_soft_deadline_alone(
        bool isLate, BackendStatus status, TerminationReason? reason)
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        drone.Runtime.OnStart = (_, cancel) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel);
        var backend = drone.Controller.Spawn();
        await Eventually.TrueAsync(() => drone.Runtime.Containers.ContainsKey(backend), "it is created");
        await drone.SeenAsync(backend, BackendStatus.Starting);
        await drone.StopAsync();
        drone.Runtime.OnStart = (_, _) => Task.CompletedTask;
        if (isLate)
        {
            drone.Clock.Advance(drone.Numbers.Soft);
        }

        await drone.StartAsync();

        Assert.Equal(reason, (await drone.SeenAsync(backend, status)).TerminationReason);
        Assert.Contains($"gone {backend.Backend}", drone.Runtime.Calls);
        Assert.Equal(isLate ? 0 : 1, drone.Runtime.Running);
    }

    [Fact]
    public async Task A_drone_that_cannot_write_leases_takes_no_actions_and_recovers_by_itself()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var running = await drone.ReadyBackendAsync();
        var leases = Of(drone).Leases;
        Directory.Move(leases, leases + ".away");
        drone.Clock.Advance(drone.Numbers.RenewAfter);
        await Eventually.TrueAsync(() => !drone.Controller.Heartbeats.Last().Ready, "it says that it is not ready");
        var reads = drone.Controller.Acknowledged.Count;
        var waiting = drone.Controller.Spawn();
        Assert.Equal(1, drone.Runtime.Running);

        await drone.SeenAsync(waiting, BackendStatus.Ready);

        Assert.True(File.Exists(Of(drone).LeaseOf(waiting)));
        Assert.True(File.Exists(Of(drone).LeaseOf(running)), "what ran before has its lease again");
        Assert.True(drone.Controller.Acknowledged.Count > reads);
    }

    [Fact]
    public async Task Another_run_directory_takes_the_leases_of_the_former_over()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        var former = Of(drone);
        await Eventually.TrueAsync(() => drone.State.RunDirectory == former.Root, "the state file knows the run directory");
        await drone.StopAsync();
        drone.Options.RunDir = drone.File("elsewhere");

        await drone.StartAsync();

        await Eventually.TrueAsync(() => File.Exists(Of(drone).LeaseOf(backend)), "its lease stands in the new one");
        await Eventually.TrueAsync(() => !former.HasLeases, "and no longer in the former, whose guard would go by it");
        Assert.Empty(former.ReadOwners());
        Assert.Equal(1, drone.Runtime.Running);
    }

    [Fact]
    public async Task Leases_that_nobody_leads_are_removed_once_all_is_adopted()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        var lease = Read(drone, backend)!;
        await drone.StopAsync();
        var ended = FakeController.NewIdentity();
        var foreign = FakeController.NewIdentity();
        Write(ended, lease);
        Write(foreign, lease with { Instance = "di-another" });

        await drone.StartAsync();

        await Eventually.TrueAsync(() => !File.Exists(Of(drone).LeaseOf(ended)), "the lease of what is over is removed");
        Assert.True(File.Exists(Of(drone).LeaseOf(backend)));
        Assert.True(File.Exists(Of(drone).LeaseOf(foreign)));

        void Write(BackendIdentity identity, LeaseFile content) => File.WriteAllBytes(
            Of(drone).LeaseOf(identity), (content with { Backend = identity.Backend.Value, Token = identity.Token.Value }).ToBytes());
    }

    [Fact]
    public async Task An_end_with_nothing_left_leaves_no_run_directory()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var directory = Of(drone).Root;

        await drone.StopAsync();

        Assert.False(Directory.Exists(directory));
    }

    private static RunDirectory Of(DroneUnderTest drone) => new(drone.Options.RunDir!);

    private static LeaseFile? Read(DroneUnderTest drone, BackendIdentity backend) =>
        LeaseFile.Read(Of(drone).LeaseOf(backend), backend, drone.Clock, out _);
}
