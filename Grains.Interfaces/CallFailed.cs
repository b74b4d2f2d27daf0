using Orleans.Runtime;

namespace Plane;

/// <summary>How a call to a grain can fail without an answer. The one place that names the set: no code catches a single one of them.</summary>
public static class CallFailed
{
    /// <summary>
    /// Whether the call may or may not have been carried out: it timed out, was rejected, or its silo or connection went away. Every call that changes
    /// something is idempotent, so the caller asks again.
    /// </summary>
    /// <param name="e">What the call threw.</param>
    public static bool IsUnknownOutcome(Exception e) => e is TimeoutException or OrleansException;
}
