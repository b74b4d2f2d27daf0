using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Plane.Hosting;

namespace Plane.Drone;

/// <summary>The drone as a host of its own.</summary>
public static class DroneRole
{
    /// <summary>Ending backends takes their grace and a kill; the default of the host would cut it.</summary>
    private static readonly TimeSpan ShutdownLimit = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Makes the host. Its start fails with a <see cref="DroneStartException"/> where the state file is refused; where the drone gives up later, the host stops and
    /// <see cref="DroneStatus.ExitCode"/> says with what the program should end.
    /// </summary>
    /// <param name="options">How to run.</param>
    /// <param name="addCluster">Adds an <c>IClusterClient</c>.</param>
    /// <param name="configure">Adds what the program wants besides: logging, metrics, runtimes of its own.</param>
    /// <exception cref="UsageException">An option cannot be used; the message names it.</exception>
    public static IHost Build(DroneOptions options, Action<IHostApplicationBuilder> addCluster, Action<IHostApplicationBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(addCluster);
        UsageException.ThrowIfAny(options.Problems().Select(p => "--" + p));
        var builder = PlaneHost.CreateBuilder("drone");
        builder.Services.AddPlaneDrone(options);
        builder.Services.AddHostedService<Announcement>();
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = ShutdownLimit);
        addCluster(builder);
        configure?.Invoke(builder);
        return builder.Build();
    }

    /// <summary>Says when the drone serves, and with what its program ends when it gave up.</summary>
    private sealed class Announcement(DroneStatus status, DroneOptions options, IReadyLine ready, HostExit exit, IHostApplicationLifetime lifetime)
        : BackgroundService
    {
        protected override async Task ExecuteAsync(CancellationToken stoppingToken)
        {
            using var registration = lifetime.ApplicationStopping.Register(() =>
            {
                if (status.Failure is { } failure)
                {
                    exit.Request(status.ExitCode, failure);
                }
            });
            await status.WhenReady.WaitAsync(stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (status.WhenReady.IsCompletedSuccessfully)
            {
                ready.Ready("drone", ("name", status.Name!.Value.Value), ("cluster", options.Cluster), ("pool", options.Pool));
            }

            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
