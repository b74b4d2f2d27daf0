using System.Collections.Concurrent;

namespace Plane.DroneHost.Runtimes;

/// <summary>
/// The starts that this process is in the middle of. Making sure that a backend is gone means first to end its start: nothing is sure while a request of it may
/// still be sent.
/// </summary>
internal sealed class StartsInFlight
{
    private readonly ConcurrentDictionary<BackendIdentity, Entry> _entries = new();

    /// <summary>Runs a start that <see cref="SettleAsync"/> can end.</summary>
    /// <exception cref="RuntimeFailureException">It is being started already.</exception>
    public async Task<T> RunAsync<T>(BackendIdentity backend, Func<CancellationToken, Task<T>> start, CancellationToken cancellationToken)
    {
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var entry = new Entry(cancel, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        if (!_entries.TryAdd(backend, entry))
        {
            throw new RuntimeFailureException($"Backend {backend.Backend} is being started already.");
        }

        try
        {
            return await start(cancel.Token);
        }
        finally
        {
            _entries.TryRemove(backend, out _);
            lock (entry)
            {
                entry.Ended.SetResult();
            }
        }
    }

    /// <summary>Whether a start is under way.</summary>
    public bool Contains(BackendIdentity backend) => _entries.ContainsKey(backend);

    /// <summary>Ends a start that is under way and completes when it has ended: answered, or given up.</summary>
    public async Task SettleAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        if (_entries.TryGetValue(backend, out var entry))
        {
            lock (entry)
            {
                if (!entry.Ended.Task.IsCompleted)
                {
                    entry.Cancel.Cancel();
                }
            }

            await entry.Ended.Task.WaitAsync(cancellationToken);
        }
    }

    private sealed record Entry(CancellationTokenSource Cancel, TaskCompletionSource Ended);
}
