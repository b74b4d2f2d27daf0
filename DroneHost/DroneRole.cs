using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Plane.Hosting;
using Plane.Hosting.Cluster;
using Plane.Hosting.Metrics;
using Plane.Hosting.Running;
using Plane.Hosting.Tracing;

namespace Plane.DroneHost;

/// <summary>The drone as a host of its own.</summary>
public static class DroneRole
{
    /// <summary>How long a host with a drone may take to stop: ending backends takes their grace and a kill. 60 s.</summary>
    public static readonly TimeSpan ShutdownLimit = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Makes the host. Its start fails with a <see cref="StartRefusedException"/> where the state file is refused; where the drone cannot continue later, it stops the host by <see cref="HostExit"/>.
    /// </summary>
    /// <param name="options">How to run.</param>
    /// <param name="addCluster">Adds a <see cref="ClusterConnection"/>.</param>
    /// <param name="configure">Adds what the program wants besides: logging, metrics, runtimes of its own.</param>
    /// <exception cref="OptionsValidationException">An option cannot be used; the message names it.</exception>
    public static IHost Build(DroneOptions options, Action<IHostApplicationBuilder> addCluster, Action<IHostApplicationBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(addCluster);
        new DroneOptionsValidator().Validated(options);
        var builder = PlaneHost.CreateBuilder("drone");

        // First, so that it is stopped last: the agent's stop still reports to the controller.
        addCluster(builder);
        builder.Services.AddPlaneDrone(options);
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = ShutdownLimit);
        configure?.Invoke(builder);
        builder.AddPlaneMetrics("drone");
        builder.AddPlaneTracing("drone");
        if (options.MetricsPort is { } port)
        {
            builder.Services.AddPlaneMetricsServer(options.MetricsHost, port);
        }

        return builder.Build();
    }
}
