using Plane.DroneHost.Runtimes;

namespace Plane.DroneHost.Supervision;

/// <summary>The drone that a runtime works for.</summary>
/// <param name="Cluster">The drone's cluster.</param>
/// <param name="Name">The drone's name.</param>
/// <param name="InstanceId">Its instance: what it starts carries this, so that several drones may share an engine or a machine.</param>
/// <param name="EndedDirectory">Where the guard marks what it ends, as files <c>&lt;backend&gt;.&lt;token&gt;</c>; null without a guard.</param>
public sealed record RuntimeOwner(ClusterName Cluster, DroneName Name, string InstanceId, string? EndedDirectory = null)
{
    /// <summary>Earlier instances of the drone, whose state is lost: what still runs of them is not supervised by any agent.</summary>
    public IReadOnlyCollection<string> EarlierInstances { get; init; } = [];

    /// <summary>Where their processes are found (<see cref="IContainerRuntime.GuardedPlaces"/>).</summary>
    public IReadOnlyList<string> EarlierPlaces { get; init; } = [];
}

/// <summary>Makes a runtime once the drone knows who it is. Register one of your own to plug in another executor.</summary>
public interface IRuntimeFactory
{
    /// <summary>What its runtime runs.</summary>
    ExecutorKind Kind { get; }

    /// <summary>Makes it. Does not wait for an engine: <see cref="IContainerRuntime.CheckAsync"/> does.</summary>
    /// <param name="owner">The drone that it works for.</param>
    IContainerRuntime Create(RuntimeOwner owner);
}
