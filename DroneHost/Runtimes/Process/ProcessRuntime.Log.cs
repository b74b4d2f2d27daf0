using Microsoft.Extensions.Logging;

namespace Plane.DroneHost.Runtimes.Process;

public sealed partial class ProcessRuntime
{
    [LoggerMessage(EventIds.ProcessRuntimeNoCgroups, LogLevel.Warning, "Cgroups are not available ({Reason}). A process that calls setsid is not ended with its backend, so at most one at a time is not guaranteed for it. Let the drone make cgroups below its own (systemd: Delegate=yes)")]
    private partial void LogNoCgroups(string reason);

    [LoggerMessage(EventIds.ProcessRuntimeNoCgroup, LogLevel.Warning, "Backend {Backend} runs without a cgroup ({Reason})")]
    private partial void LogNoCgroup(string backend, string reason);

    [LoggerMessage(EventIds.ProcessRuntimeOutputCut, LogLevel.Information, "The output of backend {Backend} passed {Limit} bytes: its newest half was moved aside and the rest dropped")]
    private partial void LogOutputCut(string backend, long limit);

    [LoggerMessage(EventIds.ProcessRuntimeOutputNotCut, LogLevel.Warning, "The output of backend {Backend} could not be cut; its disk use is not bounded until it can")]
    private partial void LogOutputNotCut(Exception exception, string backend);

    [LoggerMessage(EventIds.ProcessRuntimeLeftBehind, LogLevel.Information, "Backend {Backend} left processes behind when it exited; they are killed")]
    private partial void LogLeftBehind(string backend);

    [LoggerMessage(EventIds.ProcessRuntimeNotRemoved, LogLevel.Warning, "The files of backend {Backend}, which has ended, cannot be removed from {Directory}: {Reason}. The drone tries again each time that it prunes")]
    private partial void LogNotRemoved(string backend, string directory, string reason);
}
