using Microsoft.Extensions.Logging;
using Plane.Grains.Metrics;

namespace Plane.Grains;

/// <summary>
/// Compares the progress of the database's clock with that of this machine's <see cref="ILeaseClock"/>: what depends on the database's clock (expiry, freshness,
/// idleness) depends on its steady progress, so a step is logged and counted. Nothing is decided by it: when a step is seen it has done what it does.
/// <para>
/// A reading of the database's clock was taken at some moment between the question and the answer. A step is what neither of the two moments explains, beyond
/// what clocks may drift apart: so a slow answer is not a step, and one of less than <see cref="s_least"/> is not told from drift.
/// </para>
/// </summary>
internal sealed partial class DatabaseClockWatch(ILeaseClock clock, GrainOptions options, ControllerMetrics metrics, ILogger<DatabaseClockWatch> log)
{
    // Each clock may run 1 % fast or slow.
    private const double Drift = 0.02;

    private static readonly TimeSpan s_least = TimeSpan.FromMilliseconds(250);

    private readonly ILogger _log = log;
    private Reading? _last;

    /// <summary>What a forward step may be without a key being acquired while its last holder may still run.</summary>
    private TimeSpan Margin => options.LeaseNumbers.Expiry - options.LeaseNumbers.Hard;

    /// <summary>Has the clock read, and compares it with the last reading. One caller at a time.</summary>
    public async Task ReadAsync(Func<Task<DateTimeOffset>> read)
    {
        var asked = clock.Milliseconds;
        var now = new Reading(await read(), asked, clock.Milliseconds);
        if (_last is { } last)
        {
            Compare(last, now);
        }

        _last = now;
    }

    private void Compare(Reading last, Reading now)
    {
        var database = now.Time - last.Time;
        var least = TimeSpan.FromMilliseconds(now.Asked - last.Answered);
        var most = TimeSpan.FromMilliseconds(now.Answered - last.Asked);
        var tolerance = s_least + (most * Drift);
        if (database > most + tolerance)
        {
            var step = database - most;
            metrics.ClockStepped("forward");
            if (step > Margin)
            {
                LogTooFar(step.TotalSeconds, Margin.TotalSeconds);
            }
            else
            {
                LogStepped(step.TotalSeconds, "forward");
            }
        }
        else if (database < least - tolerance)
        {
            metrics.ClockStepped("back");
            LogStepped((least - database).TotalSeconds, "back");
        }
    }

    private sealed record Reading(DateTimeOffset Time, long Asked, long Answered);

    [LoggerMessage(EventIds.DatabaseClockWatchStepped, LogLevel.Warning, "The database's clock was stepped {Seconds:0.###} s {Direction}, or ran so far from this machine's.")]
    private partial void LogStepped(double seconds, string direction);

    [LoggerMessage(
        EventIds.DatabaseClockWatchTooFar,
        LogLevel.Error,
        "The database's clock was stepped {Seconds:0.###} s forward, more than the {Margin:0.###} s that leases allow for: a key may have been acquired while its last holder still ran.")]
    private partial void LogTooFar(double seconds, double margin);
}
