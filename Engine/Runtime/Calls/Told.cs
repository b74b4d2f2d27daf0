using Orleans.Runtime;

namespace Orleans.Calls;

/// <summary>What of a failure stands in the log.</summary>
internal static class Told
{
    /// <summary>The exception with its stack trace, unless its message says all: a call got no answer, or is to be made again.</summary>
    public static Exception? Unforeseen(Exception e) => e is OrleansException or TimeoutException ? null : e;
}
