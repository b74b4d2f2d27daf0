using Microsoft.Extensions.Logging;

namespace Plane.Grains.Feed;

internal sealed partial class ChangeFeed
{
    [LoggerMessage(EventIds.ChangeFeedBegun, LogLevel.Debug, "The change feed begins at {Transaction}/{Sequence}.")]
    private partial void LogBegun(long transaction, long sequence);

    [LoggerMessage(EventId = EventIds.ChangeFeedFailed, Message = "The change log can't be read ({Failures} times in a row): {Reason}")]
    private partial void LogFailed(LogLevel level, int failures, string reason, Exception? exception);

    [LoggerMessage(EventId = EventIds.ChangeFeedRecovered, Message = "The change log is read again, after {Failures} failures; what waits on it reads again.")]
    private partial void LogRecovered(LogLevel level, int failures);

    [LoggerMessage(
        EventIds.ChangeFeedGap, LogLevel.Warning,
        "Rows of the change log were cleaned up before they were read. Waiting calls read again. The feed continues at {Transaction}/{Sequence}.")]
    private partial void LogGap(long transaction, long sequence);

    [LoggerMessage(EventIds.ChangeFeedStopped, LogLevel.Debug, "The change feed has ended.")]
    private partial void LogStopped();
}
