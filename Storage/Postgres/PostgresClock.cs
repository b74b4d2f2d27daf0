using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Plane.Storage.Postgres;

/// <summary>
/// Compares this machine's wall clock with the database server's. No lease is decided by it; what people read is, as are certificates, and what controllers record
/// of each other. A start refuses a difference (<c>ClusterStart</c>); one that comes later is logged, and makes the controller unhealthy. One reading at a time.
/// </summary>
/// <param name="wall">This machine's wall clock.</param>
/// <param name="time">For the pace of the log.</param>
/// <param name="logger">Where to log.</param>
internal sealed partial class PostgresClock(TimeProvider wall, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan s_most = TimeSpan.FromSeconds(30);
    private readonly PacedLog _paced = new(time);
    private volatile string? _problem;

    /// <summary>What was wrong at the last reading, or null.</summary>
    public string? Problem => _problem;

    /// <summary>Has the server's clock read, and compares it; for as long as they differ it is logged.</summary>
    public async Task<DateTimeOffset> ReadAsync(Func<Task<DateTimeOffset>> read)
    {
        // The reading is taken at some moment between question and answer: what one of the two explains is not a difference.
        var asked = wall.GetUtcNow();
        var server = await read();
        var answered = wall.GetUtcNow();
        var ahead = asked > server ? asked - server : answered < server ? answered - server : TimeSpan.Zero;
        if (ahead.Duration() <= s_most)
        {
            _problem = null;
            if (_paced.End())
            {
                LogRight();
            }

            return server;
        }

        var seconds = ahead.Duration().TotalSeconds.ToString("0", CultureInfo.InvariantCulture);
        _problem = $"this machine's clock is {seconds} s {(ahead > TimeSpan.Zero ? "ahead of" : "behind")} the database server's: set the wrong one, and have both kept right (NTP)";
        if (_paced.IsDue())
        {
            LogWrong(_problem);
        }

        return server;
    }

    [LoggerMessage(EventId = EventIds.PostgresClockWrong, Level = LogLevel.Warning, Message = "/pub/health is not ok: {Problem}.")]
    private partial void LogWrong(string problem);

    [LoggerMessage(EventId = EventIds.PostgresClockRight, Level = LogLevel.Information, Message = "This machine's clock agrees with the database server's again.")]
    private partial void LogRight();
}
