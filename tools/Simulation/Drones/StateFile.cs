using Plane.Simulation.Store;

namespace Plane.Simulation.Drones;

/// <summary>What the agent has on disk. A change is one commit: the fiber that makes it waits first, then changes all of it at once.</summary>
internal sealed class StateFile(string instanceId)
{
    private long _sequence;

    public string InstanceId { get; } = instanceId;

    public Dictionary<BackendIdentity, KnownBackend> Backends { get; } = [];

    public Dictionary<BackendIdentity, (TerminationKind Kind, TerminationReason Reason)> RememberedEnds { get; } = [];

    public List<Event> Outbox { get; } = [];

    public long LastAction { get; set; }

    /// <summary>By the identity of its start or that of its claim.</summary>
    public KnownBackend? Find(BackendIdentity identity) => Backends.TryGetValue(identity, out var row) ? row
        : Backends.Values.FirstOrDefault(b => b.Claim is not null && b.OnWire == identity);

    public void Post(BackendIdentity identity, BackendStatus status, TerminationReason? reason, bool isWarm = false) =>
        Outbox.Add(new Event(++_sequence, Backends.GetValueOrDefault(identity)?.OnWire ?? identity, status, reason, isWarm));
}

/// <summary>A backend in the state file.</summary>
internal sealed class KnownBackend
{
    public required BackendIdentity Identity { get; init; }

    public required int Key { get; init; }

    /// <summary>The claim of a warm one.</summary>
    public (int Key, long Token)? Claim { get; set; }

    /// <summary>What controllers know it by.</summary>
    public BackendIdentity OnWire => Claim is { Token: var token } ? Identity with { Token = new FencingToken(token) } : Identity;

    public required LeaseDeadlines Deadlines { get; set; }

    public BackendStatus Status { get; set; } = BackendStatus.Scheduled;

    public bool Refused { get; set; }

    public bool HasPid { get; set; }

    public TerminationKind? EndKind { get; set; }

    public TerminationReason? EndReason { get; set; }

    public long? StopAt { get; set; }

    public string? StopBoot { get; set; }
}

/// <summary>The run directory: gone with a reboot. Lease files are the agent's, marks the guard's.</summary>
internal sealed class RunDirectory
{
    public Dictionary<BackendIdentity, LeaseDeadlines> Leases { get; } = [];

    public HashSet<BackendIdentity> Ended { get; } = [];
}
