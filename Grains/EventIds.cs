namespace Plane.Grains;

/// <summary>The ids of this project's log messages. An id means one thing in the whole product and keeps its meaning: a new message gets a new one.</summary>
internal static class EventIds
{
    public const int ChangeFeedBegun = 2001;
    public const int ChangeFeedFailed = 2002;
    public const int ChangeFeedRecovered = 2003;
    public const int ChangeFeedGap = 2004;
    public const int ChangeFeedStopped = 2005;
    public const int SweepServiceSwept = 2101;
    public const int SweepServiceFailed = 2102;
    public const int SweepServiceEnded = 2103;
    public const int WarmPoolsFailed = 2120;
    public const int WarmPoolsStarted = 2121;
    public const int WarmPoolsEnded = 2122;
    public const int WarmPoolsWaits = 2123;
    public const int WarmClaimsFailed = 2130;
    public const int DatabaseClockWatchStepped = 2110;
    public const int DatabaseClockWatchTooFar = 2111;
}
