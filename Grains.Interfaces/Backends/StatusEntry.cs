using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>One step of a backend's life, as <c>/pub/b/{backend}/status</c> tells it.</summary>
[GenerateSerializer, Immutable, Alias("plane.StatusEntry")]
public sealed record StatusEntry
{
    /// <summary>The state reached.</summary>
    [Id(0)]
    public required BackendStatus Status { get; init; }

    /// <summary>When it was stored, by the database's clock.</summary>
    [Id(1)]
    public required DateTimeOffset Time { get; init; }

    /// <summary>Why it ends or ended; none where it exited by itself.</summary>
    [Id(2)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TerminationReason? TerminationReason { get; init; }

    /// <summary>How it was ended.</summary>
    [Id(3)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TerminationKind? TerminationKind { get; init; }

    /// <summary>Whether it exited with a code other than 0; not where it was asked to end and did so by the stop signal's default, 143.</summary>
    [Id(4)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? ExitError { get; init; }
}
