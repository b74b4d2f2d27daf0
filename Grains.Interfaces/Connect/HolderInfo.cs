using Orleans;

namespace Plane;

/// <summary>The holder of a key.</summary>
[GenerateSerializer, Immutable, Alias("plane.HolderInfo")]
public sealed record HolderInfo
{
    /// <summary>The backend and its fencing token.</summary>
    [Id(0)]
    public required BackendIdentity Identity { get; init; }

    /// <summary>The tag it was acquired with.</summary>
    [Id(1)]
    public required string Tag { get; init; }

    /// <summary>Its cluster.</summary>
    [Id(2)]
    public required ClusterName Cluster { get; init; }

    /// <summary>Its drone.</summary>
    [Id(3)]
    public required DroneName Drone { get; init; }

    /// <summary>Its status.</summary>
    [Id(4)]
    public required BackendStatus Status { get; init; }

    /// <summary>The subdomain it answers under.</summary>
    [Id(5)]
    public string? Subdomain { get; init; }

    /// <summary>Its static token, where it uses one.</summary>
    [Id(6)]
    public BearerToken? StaticToken { get; init; }
}
