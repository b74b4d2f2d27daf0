namespace Plane.Simulation.Store;

/// <summary>A row of <c>plane.keys</c>.</summary>
internal sealed record KeyRow(BackendName Backend, long Token, bool AllowRenew, long ExpiresAt, long StartToken = 0)
{
    /// <summary>Whether a drone may name the holder so: by the token, or by that of its start where it was claimed.</summary>
    public bool IsOf(BackendIdentity identity) => Backend == identity.Backend && (Token == identity.Token.Value || StartToken == identity.Token.Value);
}

/// <summary>A row of <c>plane.backends</c>: what the decisions read of it.</summary>
internal sealed record StoredBackend
{
    public required BackendName Name { get; init; }

    public required int Key { get; init; }

    public required int Drone { get; init; }

    public required long Token { get; init; }

    public required long AcquiredBy { get; init; }

    public required BackendStatus Status { get; init; }

    public required long StatusAt { get; init; }

    public bool AllowRenew { get; init; } = true;

    public int EndKind { get; init; }

    /// <summary>The token that it was started under, where it was claimed; else 0.</summary>
    public long StartToken { get; init; }

    /// <summary>Whether it answers and waits for a claim.</summary>
    public bool IsWarm { get; init; }

    public TerminationReason? Reason { get; init; }

    public BackendIdentity Identity => new(Name, new FencingToken(Token));

    public bool Lives => Status < BackendStatus.Terminated;

    public bool IsNamed(BackendIdentity identity) => Name == identity.Backend && (Token == identity.Token.Value || StartToken == identity.Token.Value);
}

/// <summary>A row of <c>plane.drones</c>.</summary>
internal sealed record StoredDrone
{
    public required string InstanceId { get; init; }

    public required string BootId { get; init; }

    public required long Reading { get; init; }

    public required int MaxBackends { get; init; }

    public required bool Ready { get; init; }

    public bool Draining { get; init; }

    public required long Session { get; init; }

    public required long HeartbeatAt { get; init; }

    /// <summary>Whether it said in this session that it takes claims.</summary>
    public bool TakesClaims { get; init; }
}

/// <summary>A row of <c>plane.drone_counters</c>.</summary>
internal sealed record Counter(long Last);

/// <summary>A row of <c>plane.actions</c>: a spawn, which has deadlines, a claim, which has the token of the start, or a terminate, which has a kind.</summary>
internal sealed record StoredAction(
    long Number, BackendIdentity Identity, int Key, LeaseDeadlines? Spawn, TerminationKind Kind, TerminationReason Reason, long StartToken = 0);

/// <summary>A state event of a drone.</summary>
internal sealed record Event(long Sequence, BackendIdentity Identity, BackendStatus Status, TerminationReason? Reason, bool IsWarm = false);

/// <summary>What a claim asks for, and what became of it.</summary>
internal sealed class Claiming
{
    public required int Key { get; init; }

    public required long Command { get; init; }

    public Plane.Storage.AcquireOutcome Outcome { get; set; }

    public StoredBackend? Holder { get; set; }
}

/// <summary>What an acquisition asks for, and what became of it.</summary>
internal sealed class Acquisition
{
    public required BackendName Name { get; init; }

    public required bool Chosen { get; init; }

    public required int Key { get; init; }

    public required int Drone { get; init; }

    /// <summary>Stands for the hash of the connection token: tells a repeat from another request.</summary>
    public required long Command { get; init; }

    public Plane.Storage.AcquireOutcome Outcome { get; set; }

    public StoredBackend? Holder { get; set; }

    public bool IdCollided { get; set; }
}
