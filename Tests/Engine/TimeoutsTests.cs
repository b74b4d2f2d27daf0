using Orleans;

namespace Plane.Tests.Engine;

public sealed class TimeoutsTests(ProbeCluster cluster) : IClassFixture<ProbeCluster>
{
    private readonly string _gate = Guid.NewGuid().ToString("N");

    [Fact]
    public async Task A_call_without_an_answer_ends_in_a_time_out()
    {
        var e = await Assert.ThrowsAsync<TimeoutException>(() => cluster.NewProbe().WaitBriefly(_gate));
        Assert.True(CallFailed.IsUnknownOutcome(e));
        cluster.Signals.Open(_gate);
    }

    [Fact]
    public async Task A_call_that_timed_out_is_carried_out_all_the_same()
    {
        await using var impatient = new AsyncCluster(await ProbeCluster.StartAsync(timeout: TimeSpan.FromSeconds(1)));
        var grain = impatient.Cluster.NewProbe();
        await Assert.ThrowsAsync<TimeoutException>(() => grain.Increment(_gate));
        impatient.Cluster.Signals.Open(_gate);
        Assert.Equal(2, await grain.Increment(null));
    }

    [Fact]
    public async Task A_cancelled_call_ends_at_once_and_the_grain_hears_of_it()
    {
        var grain = cluster.NewProbe();
        using var source = new CancellationTokenSource();
        var call = grain.WaitForCancellation(_gate, source.Token);
        await cluster.Signals.HeardAsync($"waiting {grain.GetPrimaryKeyString()}");
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await cluster.Signals.HeardAsync($"cancelled {grain.GetPrimaryKeyString()}");
    }

    [Fact]
    public async Task A_token_that_is_cancelled_already_sends_nothing()
    {
        var grain = cluster.NewProbe();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => grain.WaitForCancellation(_gate, new CancellationToken(true)));
        await grain.Peek();
        Assert.Equal(0, cluster.Signals.Count($"waiting {grain.GetPrimaryKeyString()}"));
    }

    [Fact]
    public async Task A_token_that_is_never_cancelled_changes_nothing()
    {
        var grain = cluster.NewProbe();
        using var source = new CancellationTokenSource();
        var call = grain.WaitForCancellation(_gate, source.Token);
        await cluster.Signals.HeardAsync($"waiting {grain.GetPrimaryKeyString()}");
        cluster.Signals.Open(_gate);
        Assert.False(await call);
    }

    [Fact]
    public async Task A_grain_may_throw_a_time_out_itself()
    {
        var e = await Assert.ThrowsAsync<TimeoutException>(() => cluster.NewProbe().Throw("timeout", "the grain's own"));
        Assert.Contains("the grain's own", e.Message, StringComparison.Ordinal);
    }
}
