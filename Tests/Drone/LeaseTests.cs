using Plane.DroneHost.Leases;
using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>Renewal, refusal, and the deadlines.</summary>
public sealed class LeaseTests
{
    [Fact]
    public async Task What_is_due_together_is_renewed_in_one_batch()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var one = await drone.ReadyBackendAsync();
        var two = await drone.ReadyBackendAsync();

        drone.Clock.Advance(drone.Numbers.RenewAfter);

        var batch = await Eventually.SeenAsync(() => drone.Controller.Renewals.FirstOrDefault()!, b => b is not null, "a renewal");
        Assert.Equal(new[] { one, two }.ToHashSet(), [.. batch.Items]);
        Assert.Equal(drone.Clock.Milliseconds, batch.Reading);
        await Eventually.SeenAsync(
            async _ => (await drone.RowAsync(one))!.Deadlines.HardAt,
            hard => hard == drone.Clock.Milliseconds + (long)drone.Numbers.Hard.TotalMilliseconds,
            "the new deadline is stored");
    }

    [Fact]
    public async Task A_renewed_backend_outlives_its_first_deadlines()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        for (var i = 0; i < 5; i++)
        {
            drone.Clock.Advance(drone.Numbers.RenewAfter);
            var reading = drone.Clock.Milliseconds;
            await Eventually.TrueAsync(() => Lease(drone, backend).Deadlines.RenewAt > reading, "it is renewed");
        }

        Assert.Equal(1, drone.Runtime.Running);
        Assert.Null(drone.Controller.Ended(backend));
    }

    [Fact]
    public async Task A_renewal_without_an_answer_is_asked_again_under_another_grain_key()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        var silent = new TaskCompletionSource();
        drone.Controller.BeforeRenewal = _ => silent.Task;

        drone.Clock.Advance(drone.Numbers.RenewAfter);
        await Eventually.TrueAsync(() => drone.Controller.Renewals.Count == 1, "the first call");
        drone.Clock.Advance(drone.Numbers.RenewalCall);
        await Eventually.TrueAsync(() => drone.Controller.Renewals.Count == 2, "the second call");
        Assert.NotEqual(1, drone.Controller.LeaseKeys.Distinct().Count());
        drone.Controller.BeforeRenewal = _ => Task.CompletedTask;
        silent.SetException(new TimeoutException("lost for the test"));

        drone.Clock.Advance(drone.Numbers.RenewalRetry);

        var reading = drone.Clock.Milliseconds;
        await Eventually.TrueAsync(() => Lease(drone, backend).Deadlines.RenewAt > reading, "it is renewed");
    }

    [Fact]
    public async Task A_refused_renewal_ends_it_gracefully_at_once_and_is_not_asked_again()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.ObeysStop = false);
        var backend = await drone.ReadyBackendAsync();
        drone.Controller.OnRenew = (_, i) => new RenewalAnswer { Identity = i, Outcome = RenewalOutcome.Prevented };

        drone.Clock.Advance(drone.Numbers.RenewAfter);

        var terminating = await drone.SeenAsync(backend, BackendStatus.Terminating);
        Assert.Equal((TerminationReason.KeyExpired, TerminationKind.Soft), (terminating.TerminationReason, terminating.TerminationKind));
        drone.Clock.Advance(drone.Numbers.RenewalCall);
        await Eventually.TrueAsync(() => drone.Controller.Heartbeats.Last().Reading == drone.Clock.Milliseconds, "the drone went on");
        Assert.Single(drone.Controller.Renewals);
        drone.Runtime.Exit(backend, 0);
        Assert.Equal(TerminationReason.KeyExpired, (await drone.EndedAsync(backend)).TerminationReason);
    }

    [Fact]
    public async Task After_a_refusal_the_hard_deadline_cuts_the_grace()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.ObeysStop = false);
        var backend = await drone.ReadyBackendAsync(WithGrace(600));
        drone.Controller.OnRenew = (_, i) => new RenewalAnswer { Identity = i, Outcome = RenewalOutcome.Unknown };
        drone.Clock.Advance(drone.Numbers.RenewAfter);
        await drone.SeenAsync(backend, BackendStatus.Terminating);

        drone.Clock.Advance(drone.Numbers.Hard - drone.Numbers.RenewAfter);

        Assert.Equal(137, (await drone.EndedAsync(backend)).ExitCode);
    }

    [Fact]
    public async Task Without_an_answer_it_ends_gracefully_at_the_soft_and_is_killed_at_the_hard_deadline()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.ObeysStop = false);
        var backend = await drone.ReadyBackendAsync(WithGrace(600));
        drone.Controller.IsAway = true;

        drone.Clock.Advance(drone.Numbers.Soft - TimeSpan.FromMilliseconds(1));
        await Eventually.TrueAsync(() => !drone.Controller.Renewals.IsEmpty, "it asked in vain");
        Assert.DoesNotContain($"stop {backend.Backend}", drone.Runtime.Calls);
        drone.Clock.Advance(TimeSpan.FromMilliseconds(1));
        await Eventually.TrueAsync(() => drone.Runtime.Calls.Contains($"stop {backend.Backend}"), "the stop signal");
        Assert.DoesNotContain($"kill {backend.Backend}", drone.Runtime.Calls);
        drone.Clock.Advance(drone.Numbers.Hard - drone.Numbers.Soft);
        await Eventually.TrueAsync(() => drone.Runtime.Running == 0, "it is killed");

        drone.Controller.IsAway = false;
        Assert.Equal(TerminationReason.KeyExpired, (await drone.EndedAsync(backend)).TerminationReason);
    }

    [Fact]
    public async Task A_late_answer_moves_the_hard_deadline_and_does_not_revive()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.ObeysStop = false);
        var backend = await drone.ReadyBackendAsync(WithGrace(600));
        var silent = new TaskCompletionSource();
        drone.Controller.BeforeRenewal = _ => silent.Task;
        drone.Clock.Advance(drone.Numbers.RenewAfter);
        await Eventually.TrueAsync(() => drone.Controller.Renewals.Count == 1, "the call");
        drone.Clock.Advance(drone.Numbers.Soft - drone.Numbers.RenewAfter);
        await drone.SeenAsync(backend, BackendStatus.Terminating);
        var hard = Lease(drone, backend).HardAt;

        silent.SetResult();

        await Eventually.TrueAsync(() => Lease(drone, backend).HardAt > hard, "the hard deadline moves");
        drone.Clock.Advance(drone.Numbers.Hard - drone.Numbers.Soft);
        await Eventually.TrueAsync(() => drone.Controller.Heartbeats.Last().Reading == drone.Clock.Milliseconds, "the drone went on");
        Assert.DoesNotContain($"kill {backend.Backend}", drone.Runtime.Calls);
        drone.Clock.Advance(drone.Numbers.RenewAfter);
        Assert.Equal(137, (await drone.EndedAsync(backend)).ExitCode);
    }

    [Fact]
    public async Task A_backend_that_ends_for_another_reason_goes_on_renewing_through_a_long_grace()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.ObeysStop = false);
        var backend = await drone.ReadyBackendAsync(WithGrace(600));
        drone.Controller.Terminate(backend);
        await drone.SeenAsync(backend, BackendStatus.Terminating);

        for (var i = 0; i < 5; i++)
        {
            drone.Clock.Advance(drone.Numbers.RenewAfter);
            var reading = drone.Clock.Milliseconds;
            await Eventually.TrueAsync(() => Lease(drone, backend).Deadlines.RenewAt > reading, "it is renewed");
        }

        Assert.Equal(1, drone.Runtime.Running);
        Assert.DoesNotContain($"kill {backend.Backend}", drone.Runtime.Calls);
    }

    [Fact]
    public async Task An_ending_backend_past_its_soft_deadline_is_not_renewed_any_more_and_the_hard_one_cuts_its_grace()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.ObeysStop = false);
        var backend = await drone.ReadyBackendAsync(WithGrace(600));
        drone.Controller.Terminate(backend);
        await drone.SeenAsync(backend, BackendStatus.Terminating);
        drone.Controller.IsAway = true;
        drone.Clock.Advance(drone.Numbers.Soft);
        await Eventually.TrueAsync(() => !Lease(drone, backend).IsRenewable(0), "its lease is given up");

        drone.Controller.IsAway = false;
        drone.Clock.Advance(drone.Numbers.Hard - drone.Numbers.Soft);

        Assert.Equal(TerminationReason.External, (await drone.EndedAsync(backend)).TerminationReason);
        Assert.Contains($"kill {backend.Backend}", drone.Runtime.Calls);
    }

    [Fact]
    public async Task At_the_end_of_the_grace_it_is_killed()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.ObeysStop = false);
        var backend = await drone.ReadyBackendAsync();
        drone.Controller.Terminate(backend);
        await drone.SeenAsync(backend, BackendStatus.Terminating);

        drone.Clock.Advance(drone.Numbers.Grace);

        var ended = await drone.EndedAsync(backend);
        Assert.Equal((TerminationReason.External, TerminationKind.Soft, 137), (ended.TerminationReason, ended.TerminationKind, ended.ExitCode));
    }

    [Fact]
    public async Task After_registering_everything_is_renewed_at_once()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        Assert.Empty(drone.Controller.Renewals);

        await drone.RestartAsync();

        var batch = await Eventually.SeenAsync(() => drone.Controller.Renewals.FirstOrDefault()!, b => b is not null, "a renewal");
        Assert.Equal([backend], batch.Items);
    }

    [Fact]
    public async Task When_wall_and_lease_clock_move_apart_everything_is_renewed_at_once()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();

        drone.Clock.Drift = TimeSpan.FromSeconds(6);

        await Eventually.TrueAsync(() => drone.Controller.Renewals.Any(b => b.Items.Contains(backend)), "a renewal");
    }

    [Fact]
    public async Task A_clock_that_jumps_over_every_deadline_kills_at_once()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.ObeysStop = false);
        var backend = await drone.ReadyBackendAsync();

        // What a machine that slept, or an agent that was stopped, sees when it continues.
        drone.Clock.Advance(TimeSpan.FromHours(1));

        Assert.Equal(TerminationReason.KeyExpired, (await drone.EndedAsync(backend)).TerminationReason);
        Assert.Equal(0, drone.Runtime.Running);
    }

    [Fact]
    public async Task A_stall_between_the_order_and_the_start_starts_nothing()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        drone.Runtime.OnStart = (_, _) =>
        {
            drone.Clock.Advance(drone.Numbers.Soft);
            return Task.CompletedTask;
        };

        var backend = drone.Controller.Spawn();

        var ended = await drone.EndedAsync(backend);
        Assert.Equal(TerminationReason.KeyExpired, ended.TerminationReason);
        Assert.Empty(drone.Runtime.Containers);
    }

    [Theory]
    [InlineData("other-boot", null)]
    [InlineData(null, "other-instance")]
    public async Task Deadlines_of_another_boot_or_instance_are_expired(string? boot, string? instance)
    {
        await using var drone = await DroneUnderTest.StartedAsync();

        var backend = drone.Controller.Spawn(
            null,
            o => o with { Deadlines = o.Deadlines with { BootId = boot ?? o.Deadlines.BootId, InstanceId = instance ?? o.Deadlines.InstanceId } });

        Assert.Equal(TerminationReason.KeyExpired, (await drone.EndedAsync(backend)).TerminationReason);
        Assert.DoesNotContain($"start {backend.Backend}", drone.Runtime.Calls);
    }

    [Fact]
    public void Of_two_deadlines_the_later_stays()
    {
        var clock = new ManualLeaseClock();
        var numbers = new LeaseOptions();
        var lease = new BackendLease(FakeController.NewIdentity(), numbers.DeadlinesFrom(2_000_000, "i", clock.BootId), false, "i", clock);

        Assert.True(lease.TryProlong(numbers.DeadlinesFrom(1_500_000, "i", clock.BootId)));
        Assert.Equal(2_050_000, lease.HardAt);
        Assert.False(lease.TryProlong(numbers.DeadlinesFrom(9_000_000, "i", "boot-2")));
        Assert.Equal(2_050_000, lease.HardAt);
    }

    [Fact]
    public void An_answer_after_the_soft_deadline_moves_the_hard_one_alone_even_before_anybody_has_looked()
    {
        var clock = new ManualLeaseClock();
        var numbers = new LeaseOptions();
        var first = numbers.DeadlinesFrom(clock.Milliseconds, "i", clock.BootId);
        var lease = new BackendLease(FakeController.NewIdentity(), first, false, "i", clock);
        clock.Advance(numbers.Soft);

        Assert.True(lease.TryProlong(numbers.DeadlinesFrom(clock.Milliseconds - 1, "i", clock.BootId)));

        Assert.False(lease.IsRenewable(clock.Milliseconds));
        Assert.False(lease.AllowsStart);
        Assert.Equal((first.SoftAt, clock.Milliseconds - 1 + (long)numbers.Hard.TotalMilliseconds), (lease.SoftAt, lease.HardAt));
    }

    [Fact]
    public async Task A_late_answer_does_not_revive_it_for_the_next_agent_either()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.ObeysStop = false);
        var backend = await drone.ReadyBackendAsync(WithGrace(600));
        drone.Controller.Terminate(backend);
        await drone.SeenAsync(backend, BackendStatus.Terminating);
        var silent = new TaskCompletionSource();
        drone.Controller.BeforeRenewal = _ => silent.Task;
        drone.Clock.Advance(drone.Numbers.RenewAfter);
        await Eventually.TrueAsync(() => drone.Controller.Renewals.Count == 1, "the call");
        drone.Clock.Advance(drone.Numbers.Soft - drone.Numbers.RenewAfter);
        var hard = Lease(drone, backend).HardAt;
        silent.SetResult();
        await Eventually.SeenAsync(async _ => (await drone.RowAsync(backend))!.Deadlines.HardAt, stored => stored > hard, "the later hard deadline is stored");

        await drone.RestartAsync();
        await Eventually.EndsAsync(drone.Status.WhenReady, "it is ready");

        Assert.False(Lease(drone, backend).IsRenewable(drone.Clock.Milliseconds));
    }

    private static BackendLease Lease(DroneUnderTest drone, BackendIdentity backend) => drone.Backends.Find(backend)!.Lease;

    private static Func<SpawnOrder, SpawnOrder> WithGrace(int seconds) => o => o with { Executable = o.Executable with { StopGraceSeconds = seconds } };
}
