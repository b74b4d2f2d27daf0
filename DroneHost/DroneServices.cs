using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Plane.DroneHost.Supervision;
using Plane.Hosting.Cluster;
using Plane.Hosting.Ready;
using Plane.Hosting.Running;

namespace Plane.DroneHost;

/// <summary>Adds the drone to a host.</summary>
public static class DroneServices
{
    /// <summary>
    /// Adds the agent. The host must bring a <see cref="ClusterConnection"/>; nothing waits for its connection. A <see cref="IRuntimeFactory"/> added afterwards replaces
    /// the runtime of its kind.
    /// </summary>
    /// <param name="services">The host's services.</param>
    /// <param name="options">How to run; checked when the host starts.</param>
    public static IServiceCollection AddPlaneDrone(this IServiceCollection services, DroneOptions options)
    {
        services.AddSingleton(options);
        services.AddMetrics();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<ILeaseClock>(BootTimeClock.Instance);
        services.TryAddSingleton<HostExit>();
        services.TryAddSingleton<IReadyLine>(_ => new ReadyLine(Console.Out));
        services.AddSingleton<IRuntimeFactory, DockerRuntimeFactory>();
        services.AddSingleton<IRuntimeFactory, ProcessRuntimeFactory>();
        services.AddDescriptorWatch();
        services.AddSingleton<DroneStatus>();
        services.AddSingleton<DroneMetrics>();
        services.AddSingleton<DroneAgent>();
        services.AddHostedService(p => p.GetRequiredService<DroneAgent>());
        return services;
    }
}
