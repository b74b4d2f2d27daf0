using Microsoft.Extensions.Hosting;
using Plane.Grains.Storage;

namespace Plane.Silo.Http;

/// <summary>
/// Whether the database answers. <c>/pub/health</c> is open to everybody, so askers share one ping, and its result counts for a second.
/// </summary>
internal sealed class DatabaseProbe(IPlaneStore store, TimeProvider time, IHostApplicationLifetime lifetime)
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan s_counts = TimeSpan.FromSeconds(1);
    private readonly Lock _lock = new();
    private Task<bool>? _ping;
    private long _began;

    public Task<bool> IsReachableAsync()
    {
        lock (_lock)
        {
            if (_ping is null || (_ping.IsCompleted && time.GetElapsedTime(_began) > s_counts))
            {
                _began = time.GetTimestamp();
                _ping = PingAsync();
            }

            return _ping;
        }
    }

    private async Task<bool> PingAsync()
    {
        using var limit = new CancellationTokenSource(s_limit, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, lifetime.ApplicationStopping);
        try
        {
            await store.PingAsync(both.Token).WaitAsync(both.Token);
            return true;
        }
        catch (Exception e) when (e is StoreUnavailableException or OperationCanceledException)
        {
            return false;
        }
    }
}
