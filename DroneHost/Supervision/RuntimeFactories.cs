using Microsoft.Extensions.Logging;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Runtimes.Docker;
using Plane.DroneHost.Runtimes.Process;

namespace Plane.DroneHost.Supervision;

/// <summary>The Docker runtime, as the drone's options say.</summary>
internal sealed class DockerRuntimeFactory(DroneOptions options, TimeProvider time, ILogger<DockerRuntime> logger) : IRuntimeFactory
{
    public ExecutorKind Kind => ExecutorKind.Docker;

    public IContainerRuntime Create(RuntimeOwner owner) => new DockerRuntime(
        new DockerRuntimeOptions
        {
            Host = options.DockerHost,
            InstanceId = owner.InstanceId,
            EarlierInstances = owner.EarlierInstances,
            OutputDirectory = options.ContainerDirectory,
            MountBase = options.MountBase,
            Runtime = options.OciRuntime,
            PruneImages = options.PruneImages,
        },
        time,
        logger);
}

/// <summary>The process runtime, as the drone's options say.</summary>
internal sealed class ProcessRuntimeFactory(DroneOptions options, TimeProvider time, ILogger<ProcessRuntime> logger) : IRuntimeFactory
{
    public ExecutorKind Kind => ExecutorKind.Process;

    public IContainerRuntime Create(RuntimeOwner owner) => new ProcessRuntime(
        new ProcessRuntimeOptions
        {
            Directory = options.ProcessDirectory,
            InstanceId = owner.InstanceId,
            EarlierPlaces = owner.EarlierPlaces,
            EndedDirectory = owner.EndedDirectory,
        },
        time,
        logger);
}
