using Microsoft.Extensions.Logging;

namespace Plane.Drone.Guard;

/// <summary>
/// Ends what runs of this drone and has no lease: a container that was started again, unpaused or copied behind the agent while that is dead or stands still. Once a
/// second all containers of the drone's instances that run are listed. Without an agent one that has no lease is removed at the second look; beside an agent, which does
/// so itself and faster, only when it had none for some seconds, so that a run directory that somebody emptied costs no session before the agent has written it anew.
/// </summary>
internal sealed partial class UnleasedContainers(RunDirectory directory, BackendEnder ender, TimeProvider time, ILogger logger)
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
                    // An engine that is not there has nothing running. Whatever else it is, the next look comes in a second; said once.
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
        var running = await ender.RunningAsync(directory.ReadOwners(), cancellationToken);

        // Read after the listing: a lease is written before its container is created.
        var unleased = Directory.Exists(directory.Leases) ? running.Where(r => !File.Exists(directory.LeaseOf(r.Backend))).ToList() : [];
        foreach (var container in _since.Keys.Except(unleased.Select(u => u.Container)).ToList())
        {
            _since.Remove(container);
        }

        var patience = FileLock.IsHeld(directory.AgentLock) ? BesideAgent : WithoutAgent;
        foreach (var (backend, container) in unleased)
        {
            _since.TryAdd(container, time.GetTimestamp());
            if (time.GetElapsedTime(_since[container]) >= patience)
            {
                await ender.RemoveAsync(backend, container, cancellationToken);
            }
        }
    }

    [LoggerMessage(3631, LogLevel.Information, "What runs cannot be compared with the leases: {Reason}")]
    private partial void LogNotCompared(string reason);
}
