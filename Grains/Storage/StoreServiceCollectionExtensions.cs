using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Plane.Grains.Storage;

/// <summary>Registers the store.</summary>
public static class StoreServiceCollectionExtensions
{
    /// <summary>
    /// Registers the one <see cref="IPlaneStore"/> of a controller. Whoever hosts it calls <see cref="IPlaneStore.InitializeAsync"/> before the first grain
    /// is called.
    /// </summary>
    /// <param name="services">The controller's services.</param>
    /// <param name="options">Where the store is; validated by the caller (<see cref="StoreOptions.Problems"/>).</param>
    public static IServiceCollection AddPlaneStore(this IServiceCollection services, StoreOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<ILeaseClock>(BootTimeClock.Instance);
        services.AddSingleton(p => StoreFactory.Create(
            options.Url, options.Numbers, p.GetService<ILoggerFactory>(), p.GetRequiredService<TimeProvider>(), p.GetRequiredService<ILeaseClock>(), options.Holder));
        return services;
    }
}
