using Microsoft.Extensions.Logging;
using Orleans.Contract;

namespace Orleans.Activations;

internal sealed partial class Activation
{
    [LoggerMessage(7001, LogLevel.Warning, "{Grain}/{Key} failed to activate; the next call tries again: {Reason}")]
    private static partial void LogActivationFailed(ILogger logger, Exception? e, GrainClass grain, string key, string reason);

    [LoggerMessage(7002, LogLevel.Warning, "{Grain}/{Key} failed to deactivate cleanly")]
    private static partial void LogDeactivationFailed(ILogger logger, Exception e, GrainClass grain, string key);

    [LoggerMessage(7003, LogLevel.Warning, "{Grain}/{Key} ends although calls are still running")]
    private static partial void LogStillBusy(ILogger logger, GrainClass grain, string key);

    [LoggerMessage(7004, LogLevel.Error, "a timer of {Grain}/{Key} failed; it goes on")]
    private static partial void LogTimerFailed(ILogger logger, Exception e, GrainClass grain, string key);

    [LoggerMessage(7005, LogLevel.Error, "the answer of {Grain}/{Key} could not be handed over")]
    private static partial void LogCompletionFailed(ILogger logger, Exception e, GrainClass grain, string key);
}
