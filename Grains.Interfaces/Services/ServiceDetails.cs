using System.Text.Json.Serialization;

namespace Plane;

/// <summary>A service as <c>GET /ctrl/s/{service}</c> shows it. The password of a registry is hidden (<see cref="ServiceRules.HiddenPassword"/>); signing keys are a list of their own.</summary>
public sealed record ServiceDetails
{
    /// <summary>Its name.</summary>
    public required ServiceName Name { get; init; }

    /// <summary>Grows with each change, not always by one.</summary>
    public required long Version { get; init; }

    /// <summary>How a backend is started.</summary>
    public required SpawnConfig SpawnConfig { get; init; }

    /// <summary>Who may enter.</summary>
    public required ServiceAccess Access { get; init; }

    /// <summary>The most backends that run at a time.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? MaxBackends { get; init; }

    /// <summary>Its backends without a key, where it is to have any.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public WarmState? Warm { get; init; }

    /// <summary>Whether drones pull the image before it is needed.</summary>
    public bool Prepull { get; init; }

    /// <summary>Where its image is pulled before it is needed: the drones of its cluster and pool that run containers and are there now.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ServiceImage[]? Images { get; init; }

    /// <summary>How many backends it has that have not ended, those without a key left out.</summary>
    public required int Backends { get; init; }

    /// <summary>When it was made.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it was last changed.</summary>
    public required DateTimeOffset UpdatedAt { get; init; }
}

/// <summary>A service's image on a drone.</summary>
public sealed record ServiceImage
{
    /// <summary>The drone.</summary>
    public required DroneName Drone { get; init; }

    /// <summary>Its cluster.</summary>
    public required ClusterName Cluster { get; init; }

    /// <summary>How far the drone is.</summary>
    public required ImageStatus Status { get; init; }

    /// <summary>While it is pulled: how much is there, 0 to 100, as far as the engine says.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Percent { get; init; }

    /// <summary>Why it failed; it is tried again.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Reason { get; init; }
}

/// <summary>A row of the list of services (<c>GET /ctrl/s</c>).</summary>
public sealed record ServiceSummary
{
    /// <summary>Its name.</summary>
    public required ServiceName Name { get; init; }

    /// <summary>Grows with each change, not always by one.</summary>
    public required long Version { get; init; }

    /// <summary>What its backends run: the kind, and the image or program.</summary>
    public required string Executable { get; init; }

    /// <summary>Who may enter.</summary>
    public required ServiceAccess Access { get; init; }

    /// <summary>The most backends that run at a time.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? MaxBackends { get; init; }

    /// <summary>Its backends without a key, where it is to have any.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public WarmState? Warm { get; init; }

    /// <summary>How many backends it has that have not ended, those without a key left out.</summary>
    public required int Backends { get; init; }

    /// <summary>When it was last changed.</summary>
    public required DateTimeOffset UpdatedAt { get; init; }
}

/// <summary>The backends of a service that run without a key: what is wanted, and what there is.</summary>
public sealed record WarmState
{
    /// <summary>How many are wanted in each cluster.</summary>
    public required int Count { get; init; }

    /// <summary>How old one may become, in seconds.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? MaxAgeSeconds { get; init; }

    /// <summary>The path that a claim is posted to.</summary>
    public string? ClaimPath { get; init; }

    /// <summary>How many wait to be claimed.</summary>
    public required int Ready { get; init; }

    /// <summary>How many are being started.</summary>
    public required int Starting { get; init; }
}
