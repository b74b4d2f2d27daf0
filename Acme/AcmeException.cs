namespace Plane.Acme;

/// <summary>How getting a certificate failed.</summary>
public enum AcmeFault
{
    /// <summary>The authority does not answer, or says that it can't now. Whatever was asked may have been done.</summary>
    Unreachable,

    /// <summary>It took longer than we wait. What was begun continues there.</summary>
    Slow,

    /// <summary>It refused, with a problem document.</summary>
    Refused,

    /// <summary>It could not validate the names, or gave the order up.</summary>
    Invalid,

    /// <summary>It answered what no ACME server answers.</summary>
    BadAnswer,
}

/// <summary>Getting a certificate failed. The message is for the operator.</summary>
public sealed class AcmeException(AcmeFault fault, string message, AcmeProblem? problem = null, Exception? cause = null) : Exception(message, cause)
{
    /// <summary>How it failed.</summary>
    public AcmeFault Fault { get; } = fault;

    /// <summary>What the authority said, if it did.</summary>
    public AcmeProblem? Problem { get; } = problem;

    /// <summary>When the authority wants to be asked again, if it said.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>The failure in a word, for metrics: the problem's kind, or the fault.</summary>
    public string Outcome => Problem?.Kind ?? Fault.ToString().ToLowerInvariant();

    /// <summary>Whether the order may still succeed: nothing has ended it.</summary>
    public bool LeavesOrderOpen => Fault is AcmeFault.Unreachable or AcmeFault.Slow;
}
