using Orleans;

namespace Plane.Tests.Engine;

public sealed class TurnsTests(ProbeCluster cluster) : IClassFixture<ProbeCluster>
{
    private readonly string _gate = Guid.NewGuid().ToString("N");

    [Fact]
    public async Task One_call_runs_at_a_time()
    {
        var grain = cluster.NewProbe();
        var first = grain.Increment(_gate);
        await cluster.Signals.HeardAsync($"increment {grain.GetPrimaryKeyString()}");
        var second = grain.Increment(null);

        // The interleaving call shows that the second has had its chance and did not begin.
        await grain.Peek();
        Assert.Equal(1, cluster.Signals.Count($"increment {grain.GetPrimaryKeyString()}"));
        cluster.Signals.Open(_gate);
        Assert.Equal(1, await first);
        Assert.Equal(2, await second);
    }

    [Fact]
    public async Task Waiting_calls_run_in_their_order()
    {
        var grain = cluster.NewProbe();
        var blocking = grain.Increment(_gate);
        await cluster.Signals.HeardAsync($"increment {grain.GetPrimaryKeyString()}");
        var rest = Enumerable.Range(0, 20).Select(_ => grain.Increment(null)).ToArray();
        cluster.Signals.Open(_gate);
        await blocking;
        Assert.Equal(Enumerable.Range(2, 20), (await Task.WhenAll(rest)).Order());
    }

    [Fact]
    public async Task An_always_interleaving_call_runs_while_the_grain_is_busy()
    {
        var grain = cluster.NewProbe();
        var busy = grain.Increment(_gate);
        await cluster.Signals.HeardAsync($"increment {grain.GetPrimaryKeyString()}");
        Assert.Equal(0, await grain.Peek());
        cluster.Signals.Open(_gate);
        await busy;
    }

    [Fact]
    public async Task An_ordinary_call_runs_while_only_interleaving_ones_do()
    {
        var grain = cluster.NewProbe();
        var interleaving = grain.IncrementInterleaved(_gate);
        await cluster.Signals.HeardAsync($"increment {grain.GetPrimaryKeyString()}");
        Assert.Equal(1, await grain.Increment(null));
        cluster.Signals.Open(_gate);
        await interleaving;
    }

    [Fact]
    public async Task A_reentrant_class_interleaves_all_its_calls()
    {
        var key = Guid.NewGuid().ToString("N");
        var grain = cluster.Client.GetGrain<IReentrantProbe>(key);
        var first = grain.Increment(_gate);
        await cluster.Signals.HeardAsync($"increment {key}");
        Assert.Equal(1, await grain.Increment(null));
        cluster.Signals.Open(_gate);
        Assert.Equal(1, await first);
    }

    [Fact]
    public async Task A_reentrant_grain_may_call_itself() =>
        Assert.Equal("bottom", await cluster.Client.GetGrain<IReentrantProbe>(Guid.NewGuid().ToString("N")).CallMyself(3));

    [Fact]
    public async Task Interleaved_turns_never_run_at_the_same_instant()
    {
        var grain = cluster.NewProbe();
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => grain.Spin(200)));
        Assert.Equal(20 * 200, await grain.Spin(0));
        var reentrant = cluster.Client.GetGrain<IReentrantProbe>(Guid.NewGuid().ToString("N"));
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => reentrant.Spin(200)));
        Assert.Equal(20 * 200, await reentrant.Spin(0));
    }

    [Fact]
    public async Task An_await_stays_within_the_grains_turns() => Assert.True(await cluster.NewProbe().SchedulerIsKept());

    [Fact]
    public async Task A_grain_that_calls_itself_ends_in_a_time_out()
    {
        await using var impatient = new AsyncCluster(await ProbeCluster.StartAsync(timeout: TimeSpan.FromSeconds(1)));
        var e = await Assert.ThrowsAnyAsync<Exception>(() => impatient.Cluster.NewProbe().CallMyself());
        Assert.IsType<TimeoutException>(e);
    }

    [Fact]
    public async Task Grains_do_not_wait_for_each_other()
    {
        var busy = cluster.NewProbe();
        var first = busy.Increment(_gate);
        await cluster.Signals.HeardAsync($"increment {busy.GetPrimaryKeyString()}");
        Assert.Equal(1, await cluster.NewProbe().Increment(null));
        cluster.Signals.Open(_gate);
        await first;
    }
}

/// <summary>A cluster for one test.</summary>
internal sealed class AsyncCluster(ProbeCluster cluster) : IAsyncDisposable
{
    public ProbeCluster Cluster => cluster;

    public async ValueTask DisposeAsync() => await cluster.DisposeAsync();
}
