namespace Plane.DroneHost.Runtimes.Output;

/// <summary>Which part of a backend's output a runtime is to read.</summary>
public sealed record OutputSelection
{
    /// <summary>Only lines after this position; null for the end of what is kept.</summary>
    public long? After { get; init; }

    /// <summary>Only lines written at this time or later, as far as it is known.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>How many of the last lines are wanted; a runtime may give more.</summary>
    public int? Tail { get; init; }

    /// <summary>Whether to continue until the backend has ended.</summary>
    public bool Follow { get; init; }
}
