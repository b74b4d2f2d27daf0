using Orleans;

namespace Plane;

/// <summary>What a drone is to do.</summary>
[GenerateSerializer, Alias("plane.DroneActionKind")]
public enum DroneActionKind
{
    /// <summary>Start a backend.</summary>
    Spawn,

    /// <summary>End a backend.</summary>
    Terminate,

    /// <summary>Give a warm backend the key that it was claimed for.</summary>
    Claim,
}

/// <summary>One entry of a drone's list of things to do. Applied in the order of <see cref="Number"/>, acknowledged once durable on the drone.</summary>
[GenerateSerializer, Immutable, Alias("plane.DroneAction")]
public sealed record DroneAction
{
    /// <summary>Grows by one with every action of the drone.</summary>
    [Id(0)]
    public required long Number { get; init; }

    /// <summary>The backend that it concerns.</summary>
    [Id(1)]
    public required BackendIdentity Identity { get; init; }

    /// <summary>What to do.</summary>
    [Id(2)]
    public required DroneActionKind Kind { get; init; }

    /// <summary>How to start it.</summary>
    [Id(3)]
    public SpawnOrder? Spawn { get; init; }

    /// <summary>How to end it.</summary>
    [Id(4)]
    public TerminateOrder? Terminate { get; init; }

    /// <summary>Which key a warm backend has got.</summary>
    [Id(5)]
    public ClaimOrder? Claim { get; init; }
}

/// <summary>How to start a backend.</summary>
[GenerateSerializer, Immutable, Alias("plane.SpawnOrder")]
public sealed record SpawnOrder
{
    /// <summary>What to run.</summary>
    [Id(0)]
    public required Executable Executable { get; init; }

    /// <summary>The key that it holds.</summary>
    [Id(1)]
    public required KeyConfig Key { get; init; }

    /// <summary>The deadlines, counted from the drone's last heartbeat before the acquisition: early, never late.</summary>
    [Id(2)]
    public required LeaseDeadlines Deadlines { get; init; }

    /// <summary>The static token, for the backend's environment.</summary>
    [Id(3)]
    public BearerToken? StaticToken { get; init; }

    /// <summary>What it must answer to be ready.</summary>
    [Id(4)]
    public BackendProtocol Protocol { get; init; }

    /// <summary>The trace of the connect that began it, as W3C's <c>traceparent</c>: the start continues in it.</summary>
    [Id(5)]
    public string? TraceParent { get; init; }
}

/// <summary>How to end a backend.</summary>
[GenerateSerializer, Immutable, Alias("plane.TerminateOrder")]
public sealed record TerminateOrder
{
    /// <summary>Softly or hard.</summary>
    [Id(0)]
    public required TerminationKind Kind { get; init; }

    /// <summary>Why.</summary>
    [Id(1)]
    public required TerminationReason Reason { get; init; }
}

/// <summary>
/// Which key a warm backend has got. The action's identity has the fencing token of the claim; everything that the backend's drone says from then on carries that
/// token. What it said before under <see cref="StartToken"/> still counts.
/// </summary>
[GenerateSerializer, Immutable, Alias("plane.ClaimOrder")]
public sealed record ClaimOrder
{
    /// <summary>The key.</summary>
    [Id(0)]
    public required KeyConfig Key { get; init; }

    /// <summary>The fencing token that the backend was started under.</summary>
    [Id(1)]
    public required FencingToken StartToken { get; init; }

    /// <summary>The service that it is a backend of.</summary>
    [Id(2)]
    public required ServiceName Service { get; init; }

    /// <summary>The path at which the backend gets its key, as <c>/.plane/claim</c>; null where it need not know its key.</summary>
    [Id(3)]
    public string? Path { get; init; }
}

/// <summary>A waiting drone's answer.</summary>
[GenerateSerializer, Immutable, Alias("plane.ActionPage")]
public sealed record ActionPage
{
    /// <summary>Whether the session is still current.</summary>
    [Id(0)]
    public required SessionState Session { get; init; }

    /// <summary>Unacknowledged actions after the number asked for, in order.</summary>
    [Id(1)]
    public DroneAction[] Actions { get; init; } = [];
}
