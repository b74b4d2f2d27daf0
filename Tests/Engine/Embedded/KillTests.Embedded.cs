using Orleans;

namespace Plane.Tests.Engine.Embedded;

public sealed class KillTests
{
    // Orleans' kill within one process is a stop without time, which may still deactivate; there processes are killed (ClusterTests).
    [Fact]
    public async Task A_killed_silo_deactivates_nothing()
    {
        var cluster = await ProbeCluster.StartAsync();
        var grain = cluster.NewProbe();
        await grain.Peek();
        await cluster.Cluster.KillSiloAsync(cluster.Cluster.Primary!);
        Assert.Equal(0, cluster.Signals.Count($"deactivated {grain.GetPrimaryKeyString()} ShuttingDown"));
        await cluster.DisposeAsync();
    }
}
