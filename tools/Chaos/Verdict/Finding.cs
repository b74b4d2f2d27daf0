namespace Plane.Chaos.Verdict;

/// <summary>A rule that was broken, and by what.</summary>
/// <param name="Rule">Its name.</param>
/// <param name="What">What was seen.</param>
/// <param name="At">When, on the boot clock.</param>
internal sealed record Finding(string Rule, string What, long At)
{
    /// <summary>The request that it is about: its trace is what the programs on its way logged meanwhile.</summary>
    public Trace? Trace { get; init; }
}

/// <summary>A request's way.</summary>
/// <param name="Parts">The programs on it.</param>
/// <param name="From">When it began, by the wall clock.</param>
/// <param name="To">When it ended.</param>
internal sealed record Trace(IReadOnlyList<string> Parts, DateTimeOffset From, DateTimeOffset To);

/// <summary>The names of the rules.</summary>
internal static class Rules
{
    public const string AtMostOne = "at most one backend of a key";
    public const string TokensGrow = "tokens grow";
    public const string StatesForward = "states move forward";
    public const string EveryoneEnds = "every backend ends";
    public const string TerminatedIsGone = "terminated means gone";
    public const string ConnectNamesHolder = "a connect names the holder";
    public const string RightBackend = "a token reaches its backend alone";
    public const string NothingLost = "nothing acknowledged is lost";
    public const string Recovers = "every key can be had again";
    public const string ServesAgain = "every controller serves again";
    public const string AnsweredOnce = "a request's id is answered once";
    public const string ShortWaits = "while one controller is well, no client waits longer than a second";
    public const string SaysSo = "an unwell controller says so";
    public const string WellAgain = "an unwell controller recovers, or leaves and comes back";
    public const string ClaimedOnce = "a warm backend gets one key";
    public const string NotBeforeClaim = "no visitor reaches a backend that is not claimed";
    public const string DrainHolds = "a draining drone gets nothing new";
}
