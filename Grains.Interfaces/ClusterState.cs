using System.Text.Json.Serialization;

namespace Plane;

/// <summary>A program of the cluster, as <c>GET /ctrl/c/{cluster}/state</c> tells it.</summary>
public sealed record NodeState
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Its version.</summary>
    public required string PlaneVersion { get; init; }

    /// <summary>Its source revision.</summary>
    public required string PlaneHash { get; init; }

    /// <summary>The controller that it last spoke to.</summary>
    public required string Controller { get; init; }

    /// <summary>Milliseconds since that controller's last sign of life.</summary>
    public required long ControllerHeartbeatAge { get; init; }
}

/// <summary>A drone as the cluster's state tells it.</summary>
public sealed record DroneState
{
    /// <summary>Whether it takes new backends, as far as it says itself and its heartbeat is fresh.</summary>
    public required bool Ready { get; init; }

    /// <summary>Whether it is drained.</summary>
    public required bool Draining { get; init; }

    /// <summary>Milliseconds since its last heartbeat.</summary>
    public required long LastHeartbeatAge { get; init; }

    /// <summary>Backends on it that have not ended.</summary>
    public required int BackendCount { get; init; }

    /// <summary>The program.</summary>
    public required NodeState Node { get; init; }

    /// <summary>Its pool.</summary>
    public string Pool { get; init; } = "";

    /// <summary>The most backends that it runs.</summary>
    public int MaxBackends { get; init; }

    /// <summary>What it can run now.</summary>
    public ExecutorKind[] Kinds { get; init; } = [];

    /// <summary>What it is meant to run and cannot now, because the runtime does not answer.</summary>
    public ExecutorKind[] UnavailableKinds { get; init; } = [];

    /// <summary>What its backends may reserve; null where it does not say.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ResourceAmounts? Capacity { get; init; }

    /// <summary>What its backends have reserved.</summary>
    public ResourceAmounts Reserved { get; init; } = ResourceAmounts.None;
}

/// <summary>A cluster's drones and proxies.</summary>
public sealed record ClusterState
{
    /// <summary>The drones.</summary>
    public DroneState[] Drones { get; init; } = [];

    /// <summary>The proxies.</summary>
    public NodeState[] Proxies { get; init; } = [];
}
