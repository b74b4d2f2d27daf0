using Microsoft.Extensions.Logging;
using Plane.Drone.Runtimes;
using Plane.Drone.Runtimes.Docker;
using Plane.Drone.Runtimes.Process;

namespace Plane.Drone.Supervision;

/// <summary>Makes the Docker runtime as the drone's options say.</summary>
internal sealed class DockerRuntimeFactory(DroneOptions options, TimeProvider time, ILogger<DockerRuntime> logger) : IRuntimeFactory
{
    public ExecutorKind Kind => ExecutorKind.Docker;

    public IContainerRuntime Create(RuntimeOwner owner)
    {
        var docker = new DockerRuntimeOptions
        {
            Host = options.DockerHost,
            InstanceId = owner.InstanceId,
            MountBase = options.MountBase,
            Runtime = options.OciRuntime,
        };
        RuntimeProblems.ThrowIfAny(docker.Problems());
        return new DockerRuntime(docker, time, logger);
    }
}

/// <summary>Makes the process runtime as the drone's options say.</summary>
internal sealed class ProcessRuntimeFactory(DroneOptions options, TimeProvider time, ILogger<ProcessRuntime> logger) : IRuntimeFactory
{
    public ExecutorKind Kind => ExecutorKind.Process;

    public IContainerRuntime Create(RuntimeOwner owner)
    {
        var process = new ProcessRuntimeOptions { Directory = options.RunDirectory, InstanceId = owner.InstanceId };
        RuntimeProblems.ThrowIfAny(process.Problems());
        return new ProcessRuntime(process, time, logger);
    }
}

internal static class RuntimeProblems
{
    public static void ThrowIfAny(IEnumerable<string> problems)
    {
        if (problems.ToArray() is { Length: > 0 } all)
        {
            throw new DroneStartException(string.Join("; ", all));
        }
    }
}
