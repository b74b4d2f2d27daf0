using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>What a service is (<c>PUT /ctrl/s/{service}</c>): how its backends are started, and who may enter them.</summary>
[GenerateSerializer, Immutable, Alias("plane.ServiceConfig")]
public sealed record ServiceConfig
{
    /// <summary>The greatest <see cref="MaxBackends"/>.</summary>
    public const int MostBackends = 1_000_000;

    /// <summary>How a backend is started. An update affects those that are started after it. Without names of one backend (<see cref="ServiceRules"/>).</summary>
    [Id(0)]
    public required SpawnConfig SpawnConfig { get; init; }

    /// <summary>Who may enter by the service's URLs.</summary>
    [Id(1)]
    public required ServiceAccess Access { get; init; }

    /// <summary>The most backends that run at a time, warm ones without a key left out; without it, as many as the drones take.</summary>
    [Id(2)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? MaxBackends { get; init; }

    /// <summary>How many backends are kept running without a key; none where not given.</summary>
    [Id(3)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public WarmConfig? Warm { get; init; }

    /// <summary>Whether drones pull the image before it is needed.</summary>
    [Id(4)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Prepull { get; init; }
}

/// <summary>A service as it is stored.</summary>
[GenerateSerializer, Immutable, Alias("plane.ServiceDefinition")]
public sealed record ServiceDefinition
{
    /// <summary>Its name.</summary>
    [Id(0)]
    public required ServiceName Name { get; init; }

    /// <summary>Grows with each change, not always by one; no two configurations of one name have the same, also where the service was deleted between.</summary>
    [Id(1)]
    public required long Version { get; init; }

    /// <summary>What it is.</summary>
    [Id(2)]
    public required ServiceConfig Config { get; init; }

    /// <summary>When it was made, by the database's clock.</summary>
    [Id(3)]
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it was last changed, by the database's clock.</summary>
    [Id(4)]
    public required DateTimeOffset UpdatedAt { get; init; }
}
