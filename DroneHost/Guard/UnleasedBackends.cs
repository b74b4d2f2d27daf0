using Microsoft.Extensions.Logging;
using Plane.Files;

namespace Plane.DroneHost.Guard;

/// <summary>
/// Ends what runs of this drone and has no lease, or one that the guard has ended: a container that was started again, unpaused or copied behind the agent while that is dead or stopped, or processes whose lease or whose
/// agent's state is gone. Once a second everything of one runtime that runs is listed. Without an agent what has no lease is ended at the second look; beside an agent, which does so itself
/// and faster, only when it had none for some seconds, so that a run directory that somebody emptied costs no session before the agent has written it again.
/// </summary>
/// <param name="directory">Has the leases.</param>
/// <param name="list">Everything of the drone's instances that runs.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Where it is logged what could not be listed or ended.</param>
internal sealed partial class UnleasedBackends(
    RunDirectory directory, Func<CancellationToken, Task<IReadOnlyList<RunningBackend>>> list, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan CallLimit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan BesideAgent = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan WithoutAgent = LookEvery / 2;

    private readonly Dictionary<string, long> _since = new(StringComparer.Ordinal);
    private readonly Outage _endOutage = new(time);

    // A machine that runs processes alone has no container engine at all, which is logged once. One that has answered and no longer does is logged every minute.
    private Outage _listOutage = new(time, TimeSpan.MaxValue);
    private bool _hasListed;

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
                    await LookAsync(stopping);
                }
                catch (Exception e) when (!stopping.IsCancellationRequested)
                {
                    // Whatever it is, the next look comes in a second.
                    if (_listOutage.ShouldLog(ReasonOf(e)))
                    {
                        LogNotCompared(ReasonOf(e));
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

    private static string ReasonOf(Exception e) => e is TimeoutException ? $"there was no answer within {CallLimit.TotalSeconds:0} s" : e.Message;

    private async Task LookAsync(CancellationToken stopping)
    {
        var running = await TimeLimit.WithinAsync(list, CallLimit, time, stopping);

        // Read after the listing: a lease is written before its backend is created.
        var unleased = Directory.Exists(directory.Leases) ? running.Where(r => !directory.MayRun(r.Backend)).ToList() : [];
        foreach (var known in _since.Keys.Except(unleased.Select(u => u.Id)).ToList())
        {
            _since.Remove(known);
        }

        var patience = FileLock.IsHeld(directory.AgentLock) ? BesideAgent : WithoutAgent;
        var due = new List<RunningBackend>();
        foreach (var backend in unleased)
        {
            _since.TryAdd(backend.Id, time.GetTimestamp());
            if (time.GetElapsedTime(_since[backend.Id]) >= patience)
            {
                due.Add(backend);
            }
        }

        if (_listOutage.End())
        {
            LogComparedAgain();
        }

        if (!_hasListed)
        {
            (_hasListed, _listOutage) = (true, new Outage(time));
        }

        await EndAsync(due, stopping);
    }

    /// <summary>Side by side: one that cannot be ended, or whose end is not answered, keeps no other from being ended.</summary>
    private async Task EndAsync(List<RunningBackend> due, CancellationToken stopping)
    {
        var failures = (await Task.WhenAll(due.Select(b => TryEndAsync(b, stopping)))).Where(f => f.Reason is not null).ToList();
        foreach (var (backend, reason) in failures)
        {
            if (_endOutage.ShouldLog($"{backend}: {reason}"))
            {
                LogNotEnded(backend, reason!);
            }
        }

        if (failures.Count == 0)
        {
            _endOutage.End();
        }
    }

    /// <summary>Ends one.</summary>
    /// <returns>Why that failed; null where it did not.</returns>
    private async Task<(BackendName Backend, string? Reason)> TryEndAsync(RunningBackend running, CancellationToken stopping)
    {
        try
        {
            await TimeLimit.WithinAsync(running.EndAsync, CallLimit, time, stopping);
            return (running.Backend.Backend, null);
        }
        catch (Exception e) when (!stopping.IsCancellationRequested)
        {
            return (running.Backend.Backend, ReasonOf(e));
        }
    }

    [LoggerMessage(EventIds.UnleasedBackendsNotCompared, LogLevel.Information, "What runs cannot be compared with the leases; the comparison is repeated: {Reason}")]
    private partial void LogNotCompared(string reason);

    [LoggerMessage(EventIds.UnleasedBackendsComparedAgain, LogLevel.Information, "What runs is compared with the leases again")]
    private partial void LogComparedAgain();

    [LoggerMessage(EventIds.UnleasedBackendsNotEnded, LogLevel.Error, "{Backend} runs without a valid lease and could not be ended. The guard retries: {Reason}")]
    private partial void LogNotEnded(BackendName backend, string reason);
}

/// <summary>A backend, or a copy of one, that runs.</summary>
/// <param name="Backend">The backend.</param>
/// <param name="Id">What tells it from copies of it.</param>
/// <param name="EndAsync">Ends it. To be repeated for as long as it runs.</param>
internal sealed record RunningBackend(BackendIdentity Backend, string Id, Func<CancellationToken, Task> EndAsync);
