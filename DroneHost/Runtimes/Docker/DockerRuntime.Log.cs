using Microsoft.Extensions.Logging;

namespace Plane.DroneHost.Runtimes.Docker;

public sealed partial class DockerRuntime
{
    [LoggerMessage(EventIds.DockerRuntimeEventsBroken, LogLevel.Warning, "The event stream of the Docker engine broke; it is opened again and containers are listed: {Reason}")]
    private partial void LogEventsBroken(string reason);

    [LoggerMessage(EventIds.DockerRuntimeEventsBack, LogLevel.Information, "The event stream of the Docker engine is open again")]
    private partial void LogEventsBack();

    [LoggerMessage(EventIds.DockerRuntimeCleanUpFailed, LogLevel.Warning, "Container {Container} of backend {Backend} could not be removed after its start failed: {Reason}. The agent retries until it is gone")]
    private partial void LogCleanUpFailed(string container, string backend, string reason);

    [LoggerMessage(EventIds.DockerRuntimeLeftoverRemoved, LogLevel.Warning, "A container of an older lease (fencing token {Token}) had the name of backend {Backend}. It was removed")]
    private partial void LogLeftoverRemoved(string backend, FencingToken token);

    [LoggerMessage(EventIds.DockerRuntimeForeignLabels, LogLevel.Warning, "Container {Container} of this drone has labels that do not name a backend. It is ignored")]
    private partial void LogForeignLabels(string container);

    [LoggerMessage(EventIds.DockerRuntimeProcessNotVisible, LogLevel.Information, "Process {Pid} of container {Container} is not visible to this agent: where the engine does not answer it cannot be killed directly")]
    private partial void LogProcessNotVisible(int pid, string container);

    [LoggerMessage(EventIds.DockerRuntimeUsageFailed, LogLevel.Warning, "The usage of backend {Backend} could not be read: {Reason}")]
    private partial void LogUsageFailed(string backend, string reason);

    [LoggerMessage(EventIds.DockerRuntimeImagesPruned, LogLevel.Information, "Dangling images were removed, which freed {Bytes} bytes")]
    private partial void LogImagesPruned(long bytes);

    [LoggerMessage(EventIds.DockerRuntimeImagesNotPruned, LogLevel.Warning, "Dangling images could not be removed: {Reason}")]
    private partial void LogImagesNotPruned(string reason);

    [LoggerMessage(EventIds.DockerRuntimeUnsupervised, LogLevel.Warning, "Container {Container} of backend {Backend} ({State}) is not supervised by this drone: it is ended and removed")]
    private partial void LogUnsupervised(string container, string backend, string state);

    [LoggerMessage(EventIds.DockerRuntimeNotKept, LogLevel.Warning, "The output of backend {Backend} is not kept, but its container is removed: {Reason}")]
    private partial void LogNotKept(string backend, string reason);

    [LoggerMessage(EventIds.DockerRuntimeForgotten, LogLevel.Warning, "Container {Container} of backend {Backend} has {Count} processes that the Docker engine no longer tracks. The drone kills them")]
    private partial void LogForgotten(string container, string backend, int count);

    [LoggerMessage(EventIds.DockerRuntimeNotInspected, LogLevel.Warning, "The Docker engine does not say how container {Container} ended: {Reason}")]
    private partial void LogNotInspected(string container, string reason);

    [LoggerMessage(EventIds.DockerRuntimeNotRemoved, LogLevel.Warning, "What is kept of an ended container in {Directory} cannot be removed: {Reason}. The drone tries again each time that it prunes")]
    private partial void LogNotRemoved(string directory, string reason);

    [LoggerMessage(EventIds.DockerRuntimeOutputNotRead, LogLevel.Warning, "The output of backend {Backend} could not be read to its end: {Reason}")]
    private partial void LogOutputNotRead(string backend, string reason);

    [LoggerMessage(EventIds.DockerRuntimeCauseNotRead, LogLevel.Information, "Whether an operator ended backend {Backend} could not be read: {Reason}")]
    private partial void LogCauseNotRead(string backend, string reason);
}
