namespace Plane.Grains.Clusters;

/// <summary>What a drone must offer.</summary>
internal sealed record PlacementQuery
{
    /// <summary>The pool.</summary>
    public string Pool { get; init; } = "";

    /// <summary>What it must be able to run.</summary>
    public required ExecutorKind Kind { get; init; }

    /// <summary>What it must have free (<see cref="ResourceAmounts.Of"/>).</summary>
    public ResourceAmounts Requests { get; init; } = ResourceAmounts.None;

    /// <summary>Drones that were tried already.</summary>
    public DroneName[] Exclude { get; init; } = [];

    /// <summary>What a backend needs.</summary>
    /// <param name="spawn">How it is started.</param>
    public static PlacementQuery For(SpawnConfig spawn) =>
        new() { Pool = spawn.Pool, Kind = spawn.Executable.Kind, Requests = ResourceAmounts.Of(spawn.Executable) };
}
