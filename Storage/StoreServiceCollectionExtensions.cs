using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Plane.Storage;

/// <summary>Registers the store.</summary>
public static class StoreServiceCollectionExtensions
{
    /// <summary>
    /// Registers the one <see cref="IPlaneStore"/> of a controller. The host calls <see cref="IStore.InitializeAsync"/> before the first grain is called.
    /// </summary>
    /// <param name="services">The controller's services.</param>
    /// <param name="options">Where the store is; validated by the caller (<see cref="StoreOptions.Problems"/>).</param>
    public static IServiceCollection AddPlaneStore(this IServiceCollection services, StoreOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<ILeaseClock>(BootTimeClock.Instance);
        services.AddSingleton(p => new StoreOwner(StoreFactory.Create(
            options.Url, options.Numbers, p.GetService<ILoggerFactory>(), p.GetRequiredService<TimeProvider>(), p.GetRequiredService<ILeaseClock>(), options.Holder)));
        services.AddSingleton(static p => p.GetRequiredService<StoreOwner>().Store);
        return services.AddStoreInterfaces();
    }

    /// <summary>Registers each interface of the <see cref="IPlaneStore"/> that is registered.</summary>
    /// <param name="services">The controller's services.</param>
    public static IServiceCollection AddStoreInterfaces(this IServiceCollection services) => services
        .Add<IStore>()
        .Add<IControllerStore>()
        .Add<IKeyStore>()
        .Add<IWarmPoolStore>()
        .Add<IDroneStore>()
        .Add<IBackendStore>()
        .Add<IRouteStore>()
        .Add<IServiceStore>()
        .Add<IImageStore>()
        .Add<ICertificateStore>()
        .Add<IChangeLog>()
        .Add<ISweepStore>();

    private static IServiceCollection Add<T>(this IServiceCollection services)
        where T : class => services.AddSingleton(static p => (T)p.GetRequiredService<IPlaneStore>());

    // Made before everything that uses the store, and so disposed after it.
    private sealed class StoreOwner(IPlaneStore store) : IAsyncDisposable
    {
        public IPlaneStore Store => store;

        public ValueTask DisposeAsync() => store.DisposeAsync();
    }
}
