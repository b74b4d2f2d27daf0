using Orleans;
using Orleans.Concurrency;

namespace Plane;

/// <summary>One cluster, keyed by its <see cref="ClusterName"/>: placement and state.</summary>
[Alias("plane.IClusterGrain")]
public interface IClusterGrain : IGrainWithStringKey
{
    /// <summary>
    /// A drone for a new backend: the less loaded of two chosen at random among those that are ready, not draining, below capacity and able to run it. The
    /// acquisition checks it again.
    /// </summary>
    [Alias("PickDrone"), AlwaysInterleave]
    Task<DroneName?> PickDrone(PlacementQuery query, CancellationToken cancellationToken = default);

    /// <summary>The cluster's drones and proxies.</summary>
    [Alias("ReadState"), AlwaysInterleave]
    Task<ClusterState> ReadState(CancellationToken cancellationToken = default);
}

/// <summary>What a drone must offer.</summary>
[GenerateSerializer, Immutable, Alias("plane.PlacementQuery")]
public sealed record PlacementQuery
{
    /// <summary>The pool.</summary>
    [Id(0)]
    public string Pool { get; init; } = "";

    /// <summary>What it must be able to run.</summary>
    [Id(1)]
    public required ExecutorKind Kind { get; init; }

    /// <summary>Drones that were tried already.</summary>
    [Id(2)]
    public DroneName[] Exclude { get; init; } = [];
}

/// <summary>A program of the cluster, as <c>GET /ctrl/c/{cluster}/state</c> tells it.</summary>
[GenerateSerializer, Immutable, Alias("plane.NodeState")]
public sealed record NodeState
{
    /// <summary>Its name.</summary>
    [Id(0)]
    public required string Name { get; init; }

    /// <summary>Its version.</summary>
    [Id(1)]
    public required string PlaneVersion { get; init; }

    /// <summary>Its source revision.</summary>
    [Id(2)]
    public required string PlaneHash { get; init; }

    /// <summary>The controller that it last spoke to.</summary>
    [Id(3)]
    public required string Controller { get; init; }

    /// <summary>Milliseconds since that controller's last sign of life.</summary>
    [Id(4)]
    public required long ControllerHeartbeatAge { get; init; }
}

/// <summary>A drone as the cluster's state tells it.</summary>
[GenerateSerializer, Immutable, Alias("plane.DroneState")]
public sealed record DroneState
{
    /// <summary>Whether it takes new backends, as far as it says itself and its heartbeat is fresh.</summary>
    [Id(0)]
    public required bool Ready { get; init; }

    /// <summary>Whether it is drained.</summary>
    [Id(1)]
    public required bool Draining { get; init; }

    /// <summary>Milliseconds since its last heartbeat.</summary>
    [Id(2)]
    public required long LastHeartbeatAge { get; init; }

    /// <summary>Backends on it that have not ended.</summary>
    [Id(3)]
    public required int BackendCount { get; init; }

    /// <summary>The program.</summary>
    [Id(4)]
    public required NodeState Node { get; init; }

    /// <summary>Its pool.</summary>
    [Id(5)]
    public string Pool { get; init; } = "";

    /// <summary>The most backends that it runs.</summary>
    [Id(6)]
    public int MaxBackends { get; init; }

    /// <summary>What it can run.</summary>
    [Id(7)]
    public ExecutorKind[] Kinds { get; init; } = [];
}

/// <summary>A cluster's drones and proxies.</summary>
[GenerateSerializer, Immutable, Alias("plane.ClusterState")]
public sealed record ClusterState
{
    /// <summary>The drones.</summary>
    [Id(0)]
    public DroneState[] Drones { get; init; } = [];

    /// <summary>The proxies.</summary>
    [Id(1)]
    public NodeState[] Proxies { get; init; } = [];
}
