using Microsoft.Extensions.Logging;
using Plane.Drone.Runtimes.Docker;
using Plane.Drone.Runtimes.Process;

namespace Plane.Drone.Runtimes;

/// <summary>Makes the runtime that a drone was told to use.</summary>
public static partial class RuntimeFactory
{
    /// <summary>Makes it. A Docker runtime whose engine is away is made all the same: it is tried again at each call.</summary>
    /// <param name="options">The settings; <see cref="RuntimeOptions.Problems"/> must be none.</param>
    /// <param name="time">For time-outs.</param>
    /// <param name="loggers">For their logs.</param>
    /// <param name="cancellationToken">Ends the waiting for an engine.</param>
    public static async Task<IContainerRuntime> CreateAsync(RuntimeOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        if (options.Choice == RuntimeChoice.Process)
        {
            return new ProcessRuntime(options.Process, time, loggers.CreateLogger<ProcessRuntime>());
        }

        var docker = new DockerRuntime(options.Docker, time, loggers.CreateLogger<DockerRuntime>());
        if (options.Choice == RuntimeChoice.Docker)
        {
            return docker;
        }

        var logger = loggers.CreateLogger(typeof(RuntimeFactory));
        using var limit = new CancellationTokenSource(options.AutoTimeout, time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            await docker.CheckAsync(linked.Token);
            LogDocker(logger, options.Docker.Host);
            return docker;
        }
        catch (Exception e) when (e is RuntimeUnavailableException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            LogProcesses(logger, e.Message);
            await docker.DisposeAsync();
            return new ProcessRuntime(options.Process, time, loggers.CreateLogger<ProcessRuntime>());
        }
    }

    [LoggerMessage(4190, LogLevel.Information, "Backends run as containers of the Docker engine at {Host}")]
    private static partial void LogDocker(ILogger logger, string host);

    [LoggerMessage(4191, LogLevel.Warning, "Backends run as plain processes, without isolation: {Reason}")]
    private static partial void LogProcesses(ILogger logger, string reason);
}
