using Microsoft.Extensions.DependencyInjection;
using Plane.Grains.Storage;

namespace Plane.Silo;

/// <summary>
/// The database's lock: one embedded silo serves from a database at a time, or the silos of one Orleans cluster together. A database that does not answer is
/// waited for, since that is no refusal.
/// </summary>
public sealed class StoreHold : ISiloHold
{
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(1);
    private readonly Func<CancellationToken, Task<StoreLockResult>> _take;
    private readonly TimeProvider _time;
    private IStoreLock? _lock;

    private StoreHold(Func<CancellationToken, Task<StoreLockResult>> take, TimeProvider time)
    {
        _take = take;
        _time = time;
    }

    /// <summary>The lock of a controller's own store, for <see cref="SiloEngineOptions.Hold"/>.</summary>
    /// <param name="services">The services of a host made by <see cref="SiloRole.Build"/>.</param>
    public static ISiloHold Of(IServiceProvider services)
    {
        var (store, holder) = Parts(services);
        return new StoreHold(cancellation => store.TryLockAsync(holder, cancellation), services.GetRequiredService<TimeProvider>());
    }

    /// <summary>A share in the lock of a controller's own store, as one silo of several.</summary>
    /// <param name="services">The services of a host made by <see cref="SiloRole.Build"/>.</param>
    /// <param name="clusterId">The silos' cluster.</param>
    /// <param name="serviceId">Their service.</param>
    internal static ISiloHold Shared(IServiceProvider services, string clusterId, string serviceId)
    {
        var (store, holder) = Parts(services);
        return new StoreHold(
            cancellation => store.TryJoinAsync(clusterId, serviceId, $"the Orleans cluster '{clusterId}', last joined by {holder}", cancellation),
            services.GetRequiredService<TimeProvider>());
    }

    /// <inheritdoc/>
    public async Task<SiloHoldAttempt> TryTakeAsync(CancellationToken cancellationToken)
    {
        await ReleaseAsync(cancellationToken);
        while (true)
        {
            try
            {
                var result = await _take(cancellationToken);
                _lock = result.Lock;
                return _lock is null ? new SiloHoldAttempt(result.HeldBy ?? "an unknown one", default) : new SiloHoldAttempt(null, _lock.Lost);
            }
            catch (StoreUnavailableException)
            {
                await Task.Delay(s_retry, _time, cancellationToken);
            }
        }
    }

    /// <inheritdoc/>
    public async Task ReleaseAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _lock, null) is { } held)
        {
            await held.DisposeAsync();
        }
    }

    private static (IPlaneStore Store, string Holder) Parts(IServiceProvider services) =>
        (services.GetRequiredService<IPlaneStore>(),
            $"{services.GetRequiredService<Start.ControllerIdentity>().Name}, process {Environment.ProcessId} on {Environment.MachineName}");
}
