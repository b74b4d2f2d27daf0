using Plane.DroneHost.State;
using Plane.Hosting.Ready;

namespace Plane.DroneHost;

/// <summary>Writes the ready line once the drone takes actions.</summary>
internal sealed class DroneReady(DurableState state, DroneReadiness readiness, DroneStatus status, DroneOptions options, IReadyLine line)
{
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await status.WhenReady.WaitAsync(cancellationToken);
        line.Ready(
            "drone",
            ("name", state.Name.Value),
            ("cluster", state.Cluster.Value),
            ("pool", options.Pool),
            ("runtime", string.Join(',', readiness.Kinds.Select(k => k.ToString().ToLowerInvariant()))));
    }
}
