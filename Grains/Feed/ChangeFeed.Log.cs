using Microsoft.Extensions.Logging;

namespace Plane.Grains.Feed;

internal sealed partial class ChangeFeed
{
    [LoggerMessage(2001, LogLevel.Debug, "The change feed begins at {Transaction}/{Sequence}.")]
    private partial void LogBegun(long transaction, long sequence);

    [LoggerMessage(EventId = 2002, Message = "The change log can't be read ({Failures} times in a row): {Reason}")]
    private partial void LogFailed(LogLevel level, int failures, string reason, Exception? exception);

    [LoggerMessage(EventId = 2003, Message = "The change log is read again, after {Failures} failures; what waits on it reads again.")]
    private partial void LogRecovered(LogLevel level, int failures);

    [LoggerMessage(
        2004, LogLevel.Warning,
        "Rows of the change log were cleaned up before they were read; whoever waits looks again. Goes on at {Transaction}/{Sequence}.")]
    private partial void LogGap(long transaction, long sequence);

    [LoggerMessage(2005, LogLevel.Debug, "The change feed has ended.")]
    private partial void LogStopped();
}
