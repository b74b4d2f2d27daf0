using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Plane.Grains.Backends;
using Plane.Grains.Clusters;
using Plane.Grains.Feed;
using Plane.Grains.Keys;
using Plane.Grains.Metrics;
using Plane.Grains.Services;
using Plane.Storage;
using Plane.Grains.Warm;

namespace Plane.Grains;

/// <summary>Adds what the grains of a silo share.</summary>
public static class PlaneGrainsExtensions
{
    /// <summary>
    /// Adds the change feed, the batch writers, the sweeps and the controller's heartbeat. The host registers an <see cref="IPlaneStore"/> that
    /// is initialised before its hosted services start, made with the same lease numbers.
    /// </summary>
    /// <param name="services">The silo's services.</param>
    /// <param name="options">The options.</param>
    /// <exception cref="ArgumentException">An option is out of bounds; the message names all that are.</exception>
    public static IServiceCollection AddPlaneGrains(this IServiceCollection services, GrainOptions options)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(options);
        var problems = options.Problems().ToArray();
        if (problems.Length > 0)
        {
            throw new ArgumentException(string.Join("; ", problems), nameof(options));
        }

        services.AddMetrics();
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(options);
        services.AddSingleton<ControllerMetrics>();
        services.TryAddSingleton<ILeaseClock>(BootTimeClock.Instance);
        services.AddSingleton<DatabaseClockWatch>();
        services.AddSingleton<TokenWriter>();
        services.AddSingleton<DronePicker>();
        services.AddSingleton<WarmSignal>();
        services.AddSingleton<WarmClaims>();
        services.AddSingleton<KeyConnector>();
        services.AddSingleton<ServiceDirectory>();
        services.AddSingleton<WantedImages>();
        services.AddSingleton<WakeLimiter>();
        services.AddSingleton<ServiceConnector>();
        services.AddSingleton<RenewalWriter>();
        services.AddSingleton<StateWriter>();
        services.AddSingleton<HistoryReader>();
        services.AddSingleton<StatusReader>();
        services.AddSingleton<ChangeFeed>();
        services.AddHostedService(static s => s.GetRequiredService<ChangeFeed>());
        services.AddHostedService<SweepService>();
        services.AddHostedService<WarmPools>();
        return services;
    }
}
