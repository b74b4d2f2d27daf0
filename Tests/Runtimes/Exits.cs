using System.Collections.Concurrent;
using Plane.DroneHost.Runtimes;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

/// <summary>Collects the exits that a runtime reports while it lives.</summary>
public sealed class Exits : IAsyncDisposable
{
    private readonly ConcurrentQueue<BackendExit> _seen = new();
    private readonly CancellationTokenSource _cancel = new();
    private readonly Task _reading;

    public Exits(IContainerRuntime runtime) => _reading = ReadAsync(runtime);

    public IReadOnlyCollection<BackendExit> Seen => _seen;

    /// <summary>The backend's exit, once reported.</summary>
    public async Task<BackendExit> OfAsync(BackendIdentity backend)
    {
        var all = await Eventually.SeenAsync(
            () => _reading.IsFaulted ? throw _reading.Exception : _seen.ToArray(), seen => seen.Any(e => e.Backend == backend), $"the exit of {backend} is reported");
        return all.First(e => e.Backend == backend);
    }

    public async ValueTask DisposeAsync()
    {
        await _cancel.CancelAsync();
        await _reading;
        _cancel.Dispose();
    }

    private async Task ReadAsync(IContainerRuntime runtime)
    {
        try
        {
            await foreach (var exit in runtime.WatchExitsAsync(_cancel.Token))
            {
                _seen.Enqueue(exit);
            }
        }
        catch (OperationCanceledException) when (_cancel.IsCancellationRequested)
        {
            // The test has seen enough.
        }
    }
}
