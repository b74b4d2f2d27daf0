using Orleans;
using Plane.Tests.Support;

namespace Plane.Tests.Engine;

/// <summary>A grain that each silo has for itself is, on the one silo of this cluster, a grain as any other.</summary>
public sealed class LocalWorkersTests(ProbeCluster cluster) : IClassFixture<ProbeCluster>
{
    private readonly string _gate = Guid.NewGuid().ToString("N");
    private readonly ILocalProbe _grain = cluster.Client.GetGrain<ILocalProbe>(Guid.NewGuid().ToString("N"));

    [Fact]
    public async Task Calls_at_once_meet_one_activation()
    {
        var instances = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => _grain.Instance()));
        Assert.Single(instances.Distinct());
        Assert.NotEqual(instances[0], await cluster.Client.GetGrain<ILocalProbe>(_gate).Instance());
    }

    [Fact]
    public async Task One_call_runs_at_a_time_but_for_those_that_interleave()
    {
        var first = _grain.Increment(_gate);
        await cluster.Signals.HeardAsync($"increment {_grain.GetPrimaryKeyString()}");
        var second = _grain.Increment(null);
        Assert.Equal(0, await _grain.Peek());
        Assert.Equal(1, cluster.Signals.Count($"increment {_grain.GetPrimaryKeyString()}"));
        cluster.Signals.Open(_gate);
        Assert.Equal(1, await first);
        Assert.Equal(2, await second);
    }

    [Fact]
    public async Task One_that_has_ended_is_followed_by_another()
    {
        var before = await _grain.Instance();
        await _grain.Deactivate();
        await Eventually.SeenAsync(_ => _grain.Instance(), now => now != before, "another activation answers");
    }
}
