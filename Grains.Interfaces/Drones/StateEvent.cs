using Orleans;

namespace Plane;

/// <summary>A state that a backend reached, from its drone's outbox.</summary>
[GenerateSerializer, Immutable, Alias("plane.StateEvent")]
public sealed record StateEvent
{
    /// <summary>Its number in the drone's outbox.</summary>
    [Id(0)]
    public required long Sequence { get; init; }

    /// <summary>Which backend, under which acquisition.</summary>
    [Id(1)]
    public required BackendIdentity Identity { get; init; }

    /// <summary>The state reached.</summary>
    [Id(2)]
    public required BackendStatus Status { get; init; }

    /// <summary>Where it answers, as <c>127.0.0.1:30001</c>, once known.</summary>
    [Id(3)]
    public string? Address { get; init; }

    /// <summary>Why it ends; none where it exited by itself.</summary>
    [Id(4)]
    public TerminationReason? TerminationReason { get; init; }

    /// <summary>How it is ended.</summary>
    [Id(5)]
    public TerminationKind? TerminationKind { get; init; }

    /// <summary>The exit code, where there is one.</summary>
    [Id(6)]
    public int? ExitCode { get; init; }

    /// <summary>
    /// What went wrong, in words, at most 1,000 characters. An event of a state that was reported before, <see cref="BackendStatus.Waiting"/>, sets it while the backend stays in that
    /// state; the empty text removes it.
    /// </summary>
    [Id(7)]
    public string? Message { get; init; }

    /// <summary>The last lines of its output, with its end where that was an error: at most 50 lines and 8 KiB.</summary>
    [Id(8)]
    public string? OutputTail { get; init; }
}

/// <summary>What became of a <see cref="StateEvent"/>. It leaves the outbox either way.</summary>
[GenerateSerializer, Immutable, Alias("plane.StateAck")]
public sealed record StateAck
{
    /// <summary>The event's number.</summary>
    [Id(0)]
    public required long Sequence { get; init; }

    /// <summary>Whether it was applied, now or before.</summary>
    [Id(1)]
    public required bool Applied { get; init; }

    /// <summary>Why not.</summary>
    [Id(2)]
    public string? Refusal { get; init; }
}

/// <summary>A drone's state events, in order per backend.</summary>
[GenerateSerializer, Immutable, Alias("plane.StateBatch")]
public sealed record StateBatch
{
    /// <summary>The most events in one batch.</summary>
    public const int MaxEvents = 2_000;

    /// <summary>Who reports.</summary>
    [Id(0)]
    public required DroneSession Session { get; init; }

    /// <summary>The events.</summary>
    [Id(1)]
    public required StateEvent[] Events { get; init; }
}

/// <summary>The answer to a <see cref="StateBatch"/>.</summary>
[GenerateSerializer, Immutable, Alias("plane.StateReply")]
public sealed record StateReply
{
    /// <summary>Whether the session still stands; where it doesn't, nothing was applied.</summary>
    [Id(0)]
    public required SessionState Session { get; init; }

    /// <summary>One acknowledgement per event.</summary>
    [Id(1)]
    public StateAck[] Acks { get; init; } = [];
}
