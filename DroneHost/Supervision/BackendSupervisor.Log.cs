using Microsoft.Extensions.Logging;

namespace Plane.DroneHost.Supervision;

internal sealed partial class BackendSupervisor
{
    [LoggerMessage(EventIds.BackendSupervisorStarted, LogLevel.Information, "{Backend} was started: {Address}, process {Pid}")]
    private partial void LogStarted(BackendName backend, string address, int pid);

    [LoggerMessage(EventIds.BackendSupervisorReady, LogLevel.Information, "{Backend} is ready: {Address}")]
    private partial void LogReady(BackendName backend, string address);

    [LoggerMessage(EventIds.BackendSupervisorWarm, LogLevel.Information, "{Backend} waits for a claim: {Address}")]
    private partial void LogWarm(BackendName backend, string address);

    [LoggerMessage(EventIds.BackendSupervisorClaimed, LogLevel.Information, "{Backend} was claimed: it holds a key of service {Service} with fencing token {Token}")]
    private partial void LogClaimed(BackendName backend, ServiceName service, FencingToken token);

    [LoggerMessage(EventIds.BackendSupervisorNotClaimed, LogLevel.Warning, "Backend {Backend} did not accept its key (claim): {Reason}. It is killed")]
    private partial void LogNotClaimed(BackendName backend, string reason);

    [LoggerMessage(EventIds.BackendSupervisorStopping, LogLevel.Information, "{Backend} is stopped ({Reason}), killed after {Grace} s")]
    private partial void LogStopping(BackendName backend, string reason, double grace);

    [LoggerMessage(EventIds.BackendSupervisorKilling, LogLevel.Information, "{Backend} is killed ({Reason})")]
    private partial void LogKilling(BackendName backend, string reason);

    [LoggerMessage(EventIds.BackendSupervisorGone, LogLevel.Information, "{Backend} is gone ({Reason}), {ExitCode}")]
    private partial void LogGone(BackendName backend, string reason, string exitCode);

    [LoggerMessage(EventIds.BackendSupervisorFailure, LogLevel.Warning, "{Backend} cannot run: {Reason}")]
    private partial void LogFailure(BackendName backend, string reason);

    [LoggerMessage(EventIds.BackendSupervisorUnexpected, LogLevel.Error, "{Backend} is ended after an unexpected failure")]
    private partial void LogUnexpected(Exception e, BackendName backend);

    [LoggerMessage(EventIds.BackendSupervisorLeft, LogLevel.Information, "The agent stops. Backend {Backend} keeps running and is adopted at the next start")]
    private partial void LogLeft(BackendName backend);

    [LoggerMessage(EventIds.BackendSupervisorAdopted, LogLevel.Information, "{Backend} was adopted in state {Status}: {Address}")]
    private partial void LogAdopted(BackendName backend, BackendStatus status, string address);

    [LoggerMessage(EventIds.BackendSupervisorProgress, LogLevel.Debug, "{Backend}: {Text}")]
    private partial void LogProgress(BackendName backend, string text);

    [LoggerMessage(EventIds.BackendSupervisorRuntimeAway, LogLevel.Warning, "Backend {Backend} cannot continue its start yet and retries: {Reason}")]
    private partial void LogRuntimeAway(BackendName backend, string reason);

    [LoggerMessage(EventIds.BackendSupervisorStepCut, LogLevel.Debug, "{Backend}: a step was cut short: {Reason}")]
    private partial void LogStepCut(BackendName backend, string reason);

    [LoggerMessage(EventIds.BackendSupervisorNotSignalled, LogLevel.Warning, "{Backend} could not be signalled: {Reason}")]
    private partial void LogNotSignalled(BackendName backend, string reason);

    [LoggerMessage(EventIds.BackendSupervisorNotKilled, LogLevel.Warning, "{Backend} was not killed: {Reason}")]
    private partial void LogNotKilled(BackendName backend, string reason);

    [LoggerMessage(EventIds.BackendSupervisorKilledDirectly, LogLevel.Warning, "{Backend}: {Count} of its processes were killed without its runtime")]
    private partial void LogKilledDirectly(BackendName backend, int count);

    [LoggerMessage(EventIds.BackendSupervisorNotGone, LogLevel.Warning, "The end of backend {Backend} is not confirmed, so the drone checks again: {Reason}")]
    private partial void LogNotGone(BackendName backend, string reason);

    [LoggerMessage(EventIds.BackendSupervisorStartUnderWay, LogLevel.Warning, "The end of backend {Backend} is not confirmed, because a start is still in progress. The drone checks again")]
    private partial void LogStartUnderWay(BackendName backend);

    [LoggerMessage(EventIds.BackendSupervisorNotReady, LogLevel.Warning, "{Backend} does not answer at {Address} yet. {Hint}")]
    private partial void LogNotReady(BackendName backend, string address, string hint);

    [LoggerMessage(EventIds.BackendSupervisorNoTail, LogLevel.Warning, "{Backend}: the end of its output could not be read: {Reason}")]
    private partial void LogNoTail(BackendName backend, string reason);

    [LoggerMessage(EventIds.BackendSupervisorAddressTaken, LogLevel.Warning, "{Backend} has stopped listening on {Address}, and another program listens there: the backend is ended")]
    private partial void LogDisplaced(BackendName backend, string address);
}
