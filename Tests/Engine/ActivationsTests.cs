using Orleans;
using Plane.Tests.Support;

namespace Plane.Tests.Engine;

public sealed class ActivationsTests(ProbeCluster cluster) : IClassFixture<ProbeCluster>
{
    [Fact]
    public async Task A_grain_keeps_its_activation()
    {
        var grain = cluster.NewProbe();
        Assert.Equal(await grain.Instance(), await grain.Instance());
    }

    [Fact]
    public async Task A_grain_that_fails_to_activate_fails_the_call_and_is_tried_again_by_the_next()
    {
        var key = Guid.NewGuid().ToString("N");
        cluster.Signals.FailNextActivations(key, 1);
        var grain = cluster.Client.GetGrain<IFragile>(key);
        await Assert.ThrowsAnyAsync<Exception>(() => grain.Ping());
        Assert.True(await grain.Ping() > 0);
    }

    [Fact]
    public async Task Calls_that_wait_for_a_failing_activation_all_end()
    {
        var key = Guid.NewGuid().ToString("N");
        cluster.Signals.FailNextActivations(key, 1);
        var grain = cluster.Client.GetGrain<IFragile>(key);
        var calls = Enumerable.Range(0, 20).Select(_ => grain.Ping()).ToArray();
        await Task.WhenAll(calls.Select(c => c.ContinueWith(_ => { }, TaskScheduler.Default))).WaitAsync(TimeSpan.FromSeconds(90));
        Assert.Contains(calls, c => c.IsFaulted);
        Assert.True(await grain.Ping() > 0);
    }

    [Fact]
    public async Task A_grain_may_ask_to_be_deactivated()
    {
        var grain = cluster.NewProbe();
        var before = await grain.Instance();
        await grain.Deactivate();
        await cluster.Signals.HeardAsync($"deactivated {grain.GetPrimaryKeyString()} ApplicationRequested");
        Assert.NotEqual(before, await grain.Instance());
    }

    [Fact]
    public async Task Calls_during_a_deactivation_go_to_the_next_activation_or_end_with_an_unknown_outcome()
    {
        var grain = cluster.NewProbe();
        var calls = new List<Task<int>>();
        for (var i = 0; i < 50; i++)
        {
            var ending = grain.Deactivate();
            calls.Add(grain.Instance());
            await ending;
        }

        // Orleans forwards a call twice at most; one that met an end each time is given back, and may be repeated.
        var failures = new List<Exception>();
        foreach (var call in calls)
        {
            if (await Record.ExceptionAsync(() => call) is { } failure)
            {
                failures.Add(failure);
            }
        }

        Assert.All(failures, f => Assert.True(CallFailed.IsUnknownOutcome(f), f.ToString()));
        Assert.InRange(failures.Count, 0, Checkout.Engine == "Embedded" ? 0 : calls.Count / 2);
        Assert.True(await grain.Instance() > 0);
    }

    [Fact]
    public async Task An_idle_activation_is_collected()
    {
        await using var tidy = new AsyncCluster(await ProbeCluster.StartAsync(collectionAge: TimeSpan.FromMilliseconds(400)));
        var grain = tidy.Cluster.NewProbe();
        var before = await grain.Instance();
        await tidy.Cluster.Signals.HeardAsync($"deactivated {grain.GetPrimaryKeyString()} ActivationIdle");
        Assert.NotEqual(before, await grain.Instance());
    }

    [Fact]
    public async Task A_busy_activation_is_not_collected()
    {
        await using var tidy = new AsyncCluster(await ProbeCluster.StartAsync(collectionAge: TimeSpan.FromMilliseconds(400)));
        var signals = tidy.Cluster.Signals;
        var (busy, idle) = (tidy.Cluster.NewProbe(), tidy.Cluster.NewProbe());
        var call = busy.Increment("busy");
        await signals.HeardAsync($"increment {busy.GetPrimaryKeyString()}");
        await idle.Peek();
        await signals.HeardAsync($"deactivated {idle.GetPrimaryKeyString()} ActivationIdle");
        Assert.Equal(0, signals.Count($"deactivated {busy.GetPrimaryKeyString()} ActivationIdle"));
        signals.Open("busy");
        Assert.Equal(1, await call);
    }

    [Fact]
    public async Task A_silo_that_stops_deactivates_its_grains()
    {
        await using var stopping = new AsyncCluster(await ProbeCluster.StartAsync());
        var grain = stopping.Cluster.NewProbe();
        await grain.Peek();
        await stopping.Cluster.Cluster.StopSiloAsync(stopping.Cluster.Cluster.Primary!);
        Assert.Equal(1, stopping.Cluster.Signals.Count($"deactivated {grain.GetPrimaryKeyString()} ShuttingDown"));
    }
}
