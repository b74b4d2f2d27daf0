namespace Plane.Simulation.Judging;

/// <summary>What a schedule came to do: a simulation that never contends proves nothing.</summary>
public enum Seen
{
    /// <summary>Acquisition.</summary>
    Acquisition,
    /// <summary>TakeOver.</summary>
    TakeOver,
    /// <summary>Renewal.</summary>
    Renewal,
    /// <summary>RefusedRenewal.</summary>
    RefusedRenewal,
    /// <summary>Connect.</summary>
    Connect,
    /// <summary>ConnectHeld.</summary>
    ConnectHeld,
    /// <summary>ConnectRefused.</summary>
    ConnectRefused,
    /// <summary>Lost.</summary>
    Lost,
    /// <summary>Started.</summary>
    Started,
    /// <summary>StartRefused.</summary>
    StartRefused,
    /// <summary>StopSignal.</summary>
    StopSignal,
    /// <summary>AgentKill.</summary>
    AgentKill,
    /// <summary>GuardKill.</summary>
    GuardKill,
    /// <summary>DirectKill.</summary>
    DirectKill,
    /// <summary>KeyExpired.</summary>
    KeyExpired,
    /// <summary>Adopted.</summary>
    Adopted,
    /// <summary>AdoptedOther.</summary>
    AdoptedOther,
    /// <summary>AgentCrash.</summary>
    AgentCrash,
    /// <summary>AgentStopped.</summary>
    AgentStopped,
    /// <summary>GuardTrouble.</summary>
    GuardTrouble,
    /// <summary>RuntimeDown.</summary>
    RuntimeDown,
    /// <summary>Reboot.</summary>
    Reboot,
    /// <summary>StateLost.</summary>
    StateLost,
    /// <summary>Partition.</summary>
    Partition,
    /// <summary>SiloCrash.</summary>
    SiloCrash,
    /// <summary>DatabaseCrash.</summary>
    DatabaseCrash,
    /// <summary>ClockStep.</summary>
    ClockStep,
    /// <summary>Drain.</summary>
    Drain,
    /// <summary>Prevented.</summary>
    Prevented,
    /// <summary>Terminate.</summary>
    Terminate,
    /// <summary>EndRemembered.</summary>
    EndRemembered,
    /// <summary>NameInUse.</summary>
    NameInUse,
    /// <summary>SessionReplaced.</summary>
    SessionReplaced,
    /// <summary>Stall.</summary>
    Stall,
    /// <summary>MessageLost.</summary>
    MessageLost,
    /// <summary>MessageDoubled.</summary>
    MessageDoubled,
    /// <summary>MessageLate.</summary>
    MessageLate,
    /// <summary>AnswerLost.</summary>
    AnswerLost,
    /// <summary>IdUsedAgain.</summary>
    IdUsedAgain,
    /// <summary>Claim.</summary>
    Claim,
    /// <summary>ClaimOfHeldKey.</summary>
    ClaimOfHeldKey,
    /// <summary>ClaimTold.</summary>
    ClaimTold,
    /// <summary>ClaimToldAgain.</summary>
    ClaimToldAgain,
    /// <summary>ClaimRefused.</summary>
    ClaimRefused,
    /// <summary>SaidUnderStartToken.</summary>
    SaidUnderStartToken,
    /// <summary>RenewedUnderStartToken.</summary>
    RenewedUnderStartToken,
}

/// <summary>Counts of <see cref="Seen"/>.</summary>
public sealed class Coverage
{
    private readonly long[] _counts = new long[Enum.GetValues<Seen>().Length];

    /// <summary>How often it was seen.</summary>
    public long this[Seen what] => _counts[(int)what];

    internal void Count(Seen what) => _counts[(int)what]++;

    internal void Count(Seen what, long times) => _counts[(int)what] += times;

    internal void Add(Coverage other)
    {
        for (var i = 0; i < _counts.Length; i++)
        {
            _counts[i] += other._counts[i];
        }
    }
}
