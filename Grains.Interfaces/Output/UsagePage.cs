using Orleans;

namespace Plane;

/// <summary>What a backend used at a time.</summary>
[GenerateSerializer, Immutable, Alias("plane.UsagePoint")]
public sealed record UsagePoint
{
    /// <summary>When it was read, by the drone's clock.</summary>
    [Id(0)]
    public required DateTimeOffset Time { get; init; }

    /// <summary>CPUs that it used since the point before.</summary>
    [Id(1)]
    public required double Cpus { get; init; }

    /// <summary>Memory in use, without page cache.</summary>
    [Id(2)]
    public required long MemoryBytes { get; init; }
}

/// <summary>A backend and what it uses now.</summary>
[GenerateSerializer, Immutable, Alias("plane.BusyBackend")]
public sealed record BusyBackend
{
    /// <summary>The most rows of one answer.</summary>
    public const int MaxRows = 100;

    /// <summary>The backend.</summary>
    [Id(0)]
    public required BackendName BackendId { get; init; }

    /// <summary>CPUs that it used between the last two readings.</summary>
    [Id(1)]
    public required double Cpus { get; init; }

    /// <summary>Memory in use, without page cache.</summary>
    [Id(2)]
    public required long MemoryBytes { get; init; }

    /// <summary>Its drone; set by the controller that asked.</summary>
    [Id(3)]
    public DroneName? Drone { get; init; }
}

/// <summary>What a backend used in the last hour.</summary>
[GenerateSerializer, Immutable, Alias("plane.UsagePage")]
public sealed record UsagePage
{
    /// <summary>The points, oldest first, at least 30 s from one to the next, except that the last is the latest reading.</summary>
    [Id(0)]
    public UsagePoint[] Points { get; init; } = [];

    /// <summary>The page as a drone of this version would send it: another program may send anything.</summary>
    public UsagePage Cleaned() => new() { Points = [.. (Points ?? []).Where(p => p is { MemoryBytes: >= 0 } && double.IsFinite(p.Cpus) && p.Cpus >= 0).Take(200)] };
}
