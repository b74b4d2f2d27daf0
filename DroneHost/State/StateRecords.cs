namespace Plane.DroneHost.State;

/// <summary>A backend as the state file knows it.</summary>
internal sealed record BackendRow
{
    public required BackendIdentity Identity { get; init; }

    /// <summary>How to start it; null once it is terminated (the order holds secrets).</summary>
    public required SpawnOrder? Order { get; init; }

    /// <summary>The last state that was recorded.</summary>
    public required BackendStatus Status { get; init; }

    /// <summary>The latest deadlines that were stored.</summary>
    public required LeaseDeadlines Deadlines { get; init; }

    /// <summary>Whether a renewal was refused: it is never asked for again.</summary>
    public bool Refused { get; init; }

    /// <summary>The port it was given.</summary>
    public int? Port { get; init; }

    /// <summary>Where it answers.</summary>
    public string? Address { get; init; }

    /// <summary>The process to kill where the runtime doesn't answer.</summary>
    public int? Pid { get; init; }

    /// <summary>That process's start time.</summary>
    public long? StartTime { get; init; }

    /// <summary>How its end was asked for or decided.</summary>
    public TerminationKind? EndKind { get; init; }

    /// <summary>Why it ends.</summary>
    public TerminationReason? EndReason { get; init; }

    /// <summary>When the stop signal turns into a kill: a reading of the lease clock.</summary>
    public long? StopAt { get; init; }

    /// <summary>The boot of <see cref="StopAt"/> and <see cref="EndedAt"/>.</summary>
    public string? StopBoot { get; init; }

    /// <summary>When it was gone: a reading of the lease clock.</summary>
    public long? EndedAt { get; init; }

    /// <summary>What it was claimed for, where it is a warm backend that was.</summary>
    public BackendClaim? Claim { get; init; }
}

/// <summary>
/// The claim of a warm backend. Its name on this machine (in labels, lease files and rows) stays the identity of its start; what the drone says of it to controllers carries the token of
/// the claim.
/// </summary>
internal sealed record BackendClaim(ClaimOrder Order, FencingToken Token);

/// <summary>
/// A step of a backend's life to be recorded: the row is changed and the event put into the outbox in one commit. Members that are null leave the row's value
/// as it is.
/// </summary>
internal sealed record StateChange
{
    public required BackendIdentity Identity { get; init; }

    public required BackendStatus Status { get; init; }

    public int? Port { get; init; }

    public string? Address { get; init; }

    public int? Pid { get; init; }

    public long? StartTime { get; init; }

    public TerminationReason? Reason { get; init; }

    public TerminationKind? Kind { get; init; }

    public long? StopAt { get; init; }

    /// <summary>The boot of the readings.</summary>
    public string? Boot { get; init; }

    public long? EndedAt { get; init; }

    public int? ExitCode { get; init; }

    public string? Message { get; init; }

    /// <summary>The last lines of its output, with its end.</summary>
    public string? OutputTail { get; init; }

    /// <summary>Whether it answers and waits for a claim.</summary>
    public bool IsWarm { get; init; }
}

/// <summary>What became of an action.</summary>
internal enum ActionEffect
{
    /// <summary>It was applied before.</summary>
    Repeated,

    /// <summary>A new backend to start.</summary>
    Spawned,

    /// <summary>A spawn that was refused: its end was already in the outbox with the commit.</summary>
    SpawnRefused,

    /// <summary>A backend to end.</summary>
    EndAsked,

    /// <summary>An end of a backend that is not known here; a later spawn of it is refused.</summary>
    EndRemembered,

    /// <summary>An end or a claim of a backend that has ended.</summary>
    AlreadyEnded,

    /// <summary>A warm backend that was claimed.</summary>
    Claimed,

    /// <summary>A claim of a backend that was claimed for something else: it must not serve either.</summary>
    ClaimedTwice,

    /// <summary>A claim of a backend that is not known here: its lease, which nothing here renews, expires.</summary>
    ClaimUnknown,
}

/// <summary>An action with what became of it, and the backend that it concerns as it is after it.</summary>
internal sealed record AppliedAction(DroneAction Action, ActionEffect Effect, BackendRow? Row);
