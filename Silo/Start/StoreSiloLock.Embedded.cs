using Orleans.Hosting;
using Plane.Grains.Storage;

namespace Plane.Silo.Start;

/// <summary>The database's lock as the embedded engine takes it: one embedded silo serves from a database at a time.</summary>
internal sealed class StoreSiloLock(IPlaneStore store, ControllerIdentity controller) : ISiloLock
{
    private IStoreLock? _lock;

    public async Task<SiloLockAttempt> TryTakeAsync(CancellationToken cancellationToken)
    {
        await GiveBackAsync();
        try
        {
            var result = await store.TryLockAsync($"{controller.Name}, process {Environment.ProcessId} on {Environment.MachineName}", cancellationToken);
            _lock = result.Lock;
            return _lock is null ? new SiloLockAttempt(result.HeldBy ?? "an unknown silo", default) : new SiloLockAttempt(null, _lock.Lost);
        }
        catch (StoreUnavailableException e)
        {
            // Nobody may hold it, but we don't either; the engine asks again.
            return new SiloLockAttempt($"the database does not answer: {e.Message}", default);
        }
    }

    public Task ReleaseAsync(CancellationToken cancellationToken) => GiveBackAsync();

    private async Task GiveBackAsync()
    {
        if (Interlocked.Exchange(ref _lock, null) is { } held)
        {
            await held.DisposeAsync();
        }
    }
}
