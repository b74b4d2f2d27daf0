namespace Plane.Simulation;

/// <summary>Mistakes that can be planted: each must be found, and each was once somebody's plausible idea.</summary>
[Flags]
public enum Bug
{
    /// <summary>The protocol as it is.</summary>
    None = 0,

    /// <summary>The hard deadline equals the soft one: nobody is asked to end before the kill.</summary>
    HardEqualsSoft = 1,

    /// <summary>An expired lease can be renewed, as long as its row stands.</summary>
    ExpiredIsRenewed = 1 << 1,

    /// <summary>A renewal sets the expiry instead of only prolonging it: an older one that was blocked moves it back.</summary>
    ExpiryMovesBack = 1 << 2,

    /// <summary>A <c>terminated</c> event is matched by the backend's id alone, without its token.</summary>
    ReleaseWithoutToken = 1 << 3,

    /// <summary>The fencing token is drawn before the key's row is held.</summary>
    TokenBeforeRow = 1 << 4,

    /// <summary>Ends are carried out before spawns, and an end of a backend that is not known is forgotten.</summary>
    TerminateOvertakesSpawn = 1 << 5,

    /// <summary>The agent looks at its deadline, then creates and starts, without looking for the guard's mark.</summary>
    LookThenStart = 1 << 6,

    /// <summary>A registration says what runs, and the keys of what it doesn't name are freed.</summary>
    FreedByReport = 1 << 7,

    /// <summary>The hard deadline is the lease's expiry: no room for drift and for the kill.</summary>
    HardEqualsExpiry = 1 << 8,

    /// <summary><c>terminated</c> is recorded when the kill was asked for, not when nothing runs any more.</summary>
    TerminatedTooEarly = 1 << 10,

    /// <summary>Deadlines are counted from when the answer arrives, not from when the question was asked.</summary>
    DeadlinesFromAnswer = 1 << 11,

    /// <summary>Whether a lease has expired is decided by the start of the transaction alone, which may lie before a step of the clock.</summary>
    ExpiredByStart = 1 << 14,

    /// <summary>A claim looks for a warm backend without holding its row.</summary>
    ClaimWithoutRow = 1 << 15,

    /// <summary>The fencing token of a claim is drawn before the row of the key that it is for is held.</summary>
    ClaimTokenBeforeRow = 1 << 16,

    /// <summary>A warm backend is reported ready when it answers, and the store believes it.</summary>
    ReadyBeforeClaim = 1 << 17,

    /// <summary>The agent knows of a claim only in memory.</summary>
    ClaimNotStored = 1 << 18,

    /// <summary>No mistake but a broken assumption: the database's clock is stepped forward further than is tolerated.</summary>
    ClockStepTooFar = 1 << 12,

    /// <summary>No mistake but a broken assumption: the guard is dead while the agent is.</summary>
    NoGuard = 1 << 13,
}
