using Orleans;

namespace Plane.Tests.Engine;

public sealed class TimersTests(ProbeCluster cluster) : IClassFixture<ProbeCluster>
{
    private readonly string _gate = Guid.NewGuid().ToString("N");

    [Fact]
    public async Task A_timer_ticks_again_and_again()
    {
        var grain = cluster.NewProbe();
        await grain.StartTimer(1, 1, interleave: false, gate: null);
        await cluster.Signals.HeardAsync($"tick 5 {grain.GetPrimaryKeyString()}");
        await grain.StopTimer();
    }

    [Fact]
    public async Task A_timer_without_a_period_ticks_once()
    {
        var grain = cluster.NewProbe();
        await grain.StartTimer(1, -1, interleave: false, gate: null);
        await cluster.Signals.HeardAsync($"tick 1 {grain.GetPrimaryKeyString()}");

        // Another timer with the same period of none would have ticked by the time this one ticks twice.
        var other = cluster.NewProbe();
        await other.StartTimer(1, 1, interleave: false, gate: null);
        await cluster.Signals.HeardAsync($"tick 3 {other.GetPrimaryKeyString()}");
        Assert.Equal(0, cluster.Signals.Count($"tick 2 {grain.GetPrimaryKeyString()}"));
        await other.StopTimer();
    }

    [Fact]
    public async Task A_tick_takes_its_turn()
    {
        var grain = cluster.NewProbe();
        await grain.StartTimer(1, -1, interleave: false, _gate);
        await cluster.Signals.HeardAsync($"tick 1 {grain.GetPrimaryKeyString()}");
        var waiting = grain.Increment(null);
        Assert.Equal(0, await grain.Peek());
        Assert.False(waiting.IsCompleted);
        cluster.Signals.Open(_gate);
        Assert.Equal(2, await waiting);
    }

    [Fact]
    public async Task An_interleaving_tick_does_not_block_the_grain()
    {
        var grain = cluster.NewProbe();
        await grain.StartTimer(1, -1, interleave: true, _gate);
        await cluster.Signals.HeardAsync($"tick 1 {grain.GetPrimaryKeyString()}");
        Assert.Equal(1, await grain.Increment(null));
        cluster.Signals.Open(_gate);
    }

    [Fact]
    public async Task Ticks_of_one_timer_never_overlap()
    {
        var grain = cluster.NewProbe();
        await grain.StartTimer(1, 1, interleave: true, _gate);
        await cluster.Signals.HeardAsync($"tick 1 {grain.GetPrimaryKeyString()}");
        var other = cluster.NewProbe();
        await other.StartTimer(1, 1, interleave: true, gate: null);
        await cluster.Signals.HeardAsync($"tick 3 {other.GetPrimaryKeyString()}");
        Assert.Equal(0, cluster.Signals.Count($"tick 2 {grain.GetPrimaryKeyString()}"));
        cluster.Signals.Open(_gate);
        await cluster.Signals.HeardAsync($"tick 2 {grain.GetPrimaryKeyString()}");
        await Task.WhenAll(grain.StopTimer(), other.StopTimer());
    }

    [Fact]
    public async Task A_timer_ends_with_its_activation()
    {
        var grain = cluster.NewProbe();
        var key = grain.GetPrimaryKeyString();
        await grain.StartTimer(1, 1, interleave: false, gate: null);
        await cluster.Signals.HeardAsync($"tick 1 {key}");
        await grain.Deactivate();
        await cluster.Signals.HeardAsync($"deactivated {key} ApplicationRequested");
        var ticks = Enumerable.Range(1, 10_000).First(n => cluster.Signals.Count($"tick {n} {key}") == 0);
        var other = cluster.NewProbe();
        await other.StartTimer(1, 1, interleave: false, gate: null);
        await cluster.Signals.HeardAsync($"tick 3 {other.GetPrimaryKeyString()}");
        Assert.Equal(0, cluster.Signals.Count($"tick {ticks} {key}"));
        await other.StopTimer();
    }
}
