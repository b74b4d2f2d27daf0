using Microsoft.Extensions.DependencyInjection;
using Plane.Grains.Storage;

namespace Plane.Silo;

/// <summary>
/// The database's lock, as the embedded engine takes it: one embedded silo serves from a database at a time. A database that does not answer is waited for, since
/// that is no refusal.
/// </summary>
public sealed class StoreHold : ISiloHold
{
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(1);
    private readonly IPlaneStore _store;
    private readonly Start.ControllerIdentity _controller;
    private readonly TimeProvider _time;
    private IStoreLock? _lock;

    private StoreHold(IPlaneStore store, Start.ControllerIdentity controller, TimeProvider time)
    {
        _store = store;
        _controller = controller;
        _time = time;
    }

    /// <summary>The lock of a controller's own store, for <see cref="SiloEngineOptions.Hold"/>.</summary>
    /// <param name="services">The services of a host made by <see cref="SiloRole.Build"/>.</param>
    public static ISiloHold Of(IServiceProvider services) => new StoreHold(
        services.GetRequiredService<IPlaneStore>(), services.GetRequiredService<Start.ControllerIdentity>(), services.GetRequiredService<TimeProvider>());

    /// <inheritdoc/>
    public async Task<SiloHoldAttempt> TryTakeAsync(CancellationToken cancellationToken)
    {
        await ReleaseAsync(cancellationToken);
        var holder = $"{_controller.Name}, process {Environment.ProcessId} on {Environment.MachineName}";
        while (true)
        {
            try
            {
                var result = await _store.TryLockAsync(holder, cancellationToken);
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
}
