using System.Text.RegularExpressions;
using Orleans.Runtime;

namespace Plane;

/// <summary>How a call to a grain can fail without an answer. The one place that names the set: no code catches a single one of them.</summary>
public static partial class CallFailed
{
    /// <summary>
    /// Whether the call may or may not have been carried out: it timed out, was rejected, or its silo or connection went away. Every call that changes
    /// something is idempotent, so the caller asks again.
    /// </summary>
    /// <param name="e">What the call threw.</param>
    public static bool IsUnknownOutcome(Exception e) => e is TimeoutException or OrleansException;

    /// <summary>
    /// Why there was no answer, for a log line. Messages of Orleans quote the whole call, or the time until its next attempt, with numbers that differ every time: those are cut off, so that an outage has one reason.
    /// </summary>
    /// <param name="e">What the call threw.</param>
    public static string Reason(Exception e)
    {
        ArgumentNullException.ThrowIfNull(e);
        return e switch
        {
            TimeoutException or OperationCanceledException => "no answer in time",
            OrleansException => QuotedCall().Replace(e.Message, ""),
            _ => e.Message,
        };
    }

    [GeneratedRegex(@"[ :,]*\b(for |of )?message\b.*|, will retry after .*|\s*[\r\n].*", RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex QuotedCall();
}
