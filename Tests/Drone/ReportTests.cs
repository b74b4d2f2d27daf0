using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>The outbox.</summary>
public sealed class ReportTests
{
    [Fact]
    public async Task What_happened_while_the_controller_was_away_is_reported_in_order_afterwards()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        drone.Controller.IsAway = true;
        drone.Runtime.Exit(backend, 0);
        await Eventually.SeenAsync(
            async _ => (await drone.State.ReadOutboxAsync(10)).Select(e => e.Status).ToList(),
            s => s.Contains(BackendStatus.Terminated),
            "the end is in the outbox");

        drone.Controller.IsAway = false;

        await drone.EndedAsync(backend);
        var sequences = drone.Controller.States.Select(s => s.Sequence).Distinct().ToList();
        Assert.Equal(sequences.Order(), sequences);
    }

    [Fact]
    public async Task The_outbox_outlives_the_agent()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var backend = await drone.ReadyBackendAsync();
        drone.Controller.IsAway = true;
        drone.Runtime.Exit(backend, 9);
        await Eventually.SeenAsync(
            async _ => await drone.State.ReadOutboxAsync(10), e => e.Count > 0, "the end is in the outbox");
        await drone.StopAsync();
        drone.Controller.IsAway = false;

        await drone.StartAsync();

        Assert.Equal(9, (await drone.EndedAsync(backend)).ExitCode);
    }

    [Fact]
    public async Task An_answered_event_leaves_the_outbox_applied_or_refused()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        drone.Controller.OnState = e => new StateAck { Sequence = e.Sequence, Applied = e.Status != BackendStatus.Waiting, Refusal = "for the test" };

        var backend = await drone.ReadyBackendAsync();

        await Eventually.SeenAsync(async _ => await drone.State.ReadOutboxAsync(10), e => e.Count == 0, "the outbox is empty");
        Assert.Single(drone.Controller.States, s => s.Identity == backend && s.Status == BackendStatus.Waiting);
        Assert.True(drone.Log.Contains("refused the state Waiting"));
    }

    [Fact]
    public async Task A_report_without_an_answer_is_made_again()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var lost = 0;
        drone.Controller.OnState = e => Interlocked.Exchange(ref lost, 1) == 0
            ? throw new TimeoutException("lost for the test")
            : new StateAck { Sequence = e.Sequence, Applied = true };

        var backend = await drone.ReadyBackendAsync();

        Assert.Equal(2, drone.Controller.States.Count(s => s.Identity == backend && s.Status == BackendStatus.Loading));
    }
}
