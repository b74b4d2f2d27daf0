namespace Plane.Simulation.Store;

/// <summary>A row of <c>plane.keys</c>.</summary>
internal sealed record KeyRow(BackendName Backend, long Token, bool AllowRenew, long ExpiresAt);

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

    public TerminationReason? Reason { get; init; }

    public BackendIdentity Identity => new(Name, new FencingToken(Token));

    public bool Lives => Status < BackendStatus.Terminated;
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
}

/// <summary>A row of <c>plane.drone_counters</c>.</summary>
internal sealed record Counter(long Last);

/// <summary>A row of <c>plane.actions</c>: a spawn, which has deadlines, or a terminate, which has a kind.</summary>
internal sealed record StoredAction(long Number, BackendIdentity Identity, int Key, LeaseDeadlines? Spawn, TerminationKind Kind, TerminationReason Reason);

/// <summary>A state event of a drone.</summary>
internal sealed record Event(long Sequence, BackendIdentity Identity, BackendStatus Status, TerminationReason? Reason);

/// <summary>What an acquisition asks for, and what became of it.</summary>
internal sealed class Acquisition
{
    public required BackendName Name { get; init; }

    public required bool Chosen { get; init; }

    public required int Key { get; init; }

    public required int Drone { get; init; }

    /// <summary>Stands for the hash of the connection token: tells a repeat from another request.</summary>
    public required long Command { get; init; }

    public Plane.Grains.Storage.AcquireOutcome Outcome { get; set; }

    public StoredBackend? Holder { get; set; }

    public bool IdCollided { get; set; }
}
