using Orleans;

namespace Plane;

/// <summary>What became of a <see cref="ConnectCommand"/>: a holder, or a refusal.</summary>
[GenerateSerializer, Immutable, Alias("plane.ConnectResult")]
public sealed record ConnectResult
{
    /// <summary>The holder, where connected.</summary>
    [Id(0)]
    public HolderInfo? Holder { get; init; }

    /// <summary>Whether this command started it.</summary>
    [Id(1)]
    public bool Spawned { get; init; }

    /// <summary>Why not.</summary>
    [Id(2)]
    public ErrorKind? Refusal { get; init; }

    /// <summary>Why not, in words.</summary>
    [Id(3)]
    public string? Message { get; init; }

    /// <summary>Where the command repeats an earlier request: what else that was answered with.</summary>
    [Id(4)]
    public IdempotentResponse? Earlier { get; init; }

    /// <summary>When a retry may succeed, or null where the refusal does not say.</summary>
    [Id(5)]
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>The last lines of the backend whose failure is why; for operators, never for visitors.</summary>
    [Id(6)]
    public string? OutputTail { get; init; }

    /// <summary>A refusal.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="message">In words.</param>
    public static ConnectResult Refused(ErrorKind kind, string message) => new() { Refusal = kind, Message = message };
}
