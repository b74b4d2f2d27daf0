namespace Plane.Grains;

/// <summary>How long a waiting call may wait: under the calls' response time-out, whatever the caller asks for.</summary>
internal static class LongPoll
{
    public static TimeSpan Longest { get; } = TimeSpan.FromSeconds(5);

    public static TimeSpan Bounded(TimeSpan wait) => wait < TimeSpan.Zero ? TimeSpan.Zero : wait > Longest ? Longest : wait;

    /// <summary>What is left of a wait that began at a timestamp.</summary>
    public static TimeSpan Left(this TimeProvider time, long begun, TimeSpan wait)
    {
        var left = wait - time.GetElapsedTime(begun);
        return left < TimeSpan.Zero ? TimeSpan.Zero : left;
    }
}
