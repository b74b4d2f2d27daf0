using Microsoft.Extensions.Logging;
using Plane.Files;

namespace Plane.DroneHost.Guard;

/// <summary>
/// Ends what runs of this drone and has no lease: a container that was started again, unpaused or copied behind the agent while that is dead or stopped, or processes whose lease or whose
/// agent's state is gone. Once a second everything of one runtime that runs is listed. Without an agent what has no lease is ended at the second look; beside an agent, which does so itself
/// and faster, only when it had none for some seconds, so that a run directory that somebody emptied costs no session before the agent has written it again.
/// </summary>
/// <param name="directory">Has the leases.</param>
/// <param name="list">Everything of the drone's instances that runs.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Where a listing that failed is logged.</param>
internal sealed partial class UnleasedBackends(
    RunDirectory directory, Func<CancellationToken, Task<IReadOnlyList<RunningBackend>>> list, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan CallLimit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan BesideAgent = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan WithoutAgent = LookEvery / 2;

    private readonly Dictionary<string, long> _since = new(StringComparer.Ordinal);
    private string? _lastFailure;

    /// <summary>Looks, until the guard stops.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(LookEvery, time);
        try
        {
            do
            {
                try
                {
                    await TimeLimit.WithinAsync(LookAsync, CallLimit, time, stopping);
                    _lastFailure = null;
                }
                catch (Exception e) when (!stopping.IsCancellationRequested)
                {
                    // An engine that is unavailable has nothing running. Whatever else it is, the next look comes in a second; logged once.
                    if (_lastFailure != e.Message)
                    {
                        _lastFailure = e.Message;
                        LogNotCompared(e.Message);
                    }
                }
            }
            while (await timer.WaitForNextTickAsync(stopping));
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The guard stops.
            _since.Clear();
        }
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        var running = await list(cancellationToken);

        // Read after the listing: a lease is written before its backend is created.
        var unleased = Directory.Exists(directory.Leases) ? running.Where(r => !File.Exists(directory.LeaseOf(r.Backend))).ToList() : [];
        foreach (var known in _since.Keys.Except(unleased.Select(u => u.Id)).ToList())
        {
            _since.Remove(known);
        }

        var patience = FileLock.IsHeld(directory.AgentLock) ? BesideAgent : WithoutAgent;
        foreach (var backend in unleased)
        {
            _since.TryAdd(backend.Id, time.GetTimestamp());
            if (time.GetElapsedTime(_since[backend.Id]) >= patience)
            {
                await backend.EndAsync(cancellationToken);
            }
        }
    }

    [LoggerMessage(EventIds.UnleasedBackendsNotCompared, LogLevel.Information, "What runs cannot be compared with the leases; the comparison is repeated: {Reason}")]
    private partial void LogNotCompared(string reason);
}

/// <summary>A backend, or a copy of one, that runs.</summary>
/// <param name="Backend">The backend.</param>
/// <param name="Id">What tells it from copies of it.</param>
/// <param name="EndAsync">Ends it. To be repeated for as long as it runs.</param>
internal sealed record RunningBackend(BackendIdentity Backend, string Id, Func<CancellationToken, Task> EndAsync);
