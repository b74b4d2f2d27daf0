using Orleans;

namespace Plane.Tests.Engine;

public sealed class CallsTests(ProbeCluster cluster) : IClassFixture<ProbeCluster>
{
    [Fact]
    public async Task A_call_reaches_the_grain_with_its_key_and_returns()
    {
        var grain = cluster.Client.GetGrain<IProbe>("somebody");
        Assert.Equal("somebody", await grain.WhoAreYou());
        Assert.Equal("somebody", grain.GetPrimaryKeyString());
    }
}
