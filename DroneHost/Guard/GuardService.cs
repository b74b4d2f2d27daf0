using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Runtimes.Process;
using Plane.Files;
using Plane.Hosting.Ready;
using Plane.Hosting.Running;
using Plane.Hosting;

namespace Plane.DroneHost.Guard;

/// <summary>
/// Makes the hard deadline hold when the drone's agent is dead, stopped or wedged.
/// <para>
/// Four times a second the leases in the run directory are compared with the lease clock. One whose hard deadline has passed, or which is of another boot, is
/// ended: (1) the mark <c>ended</c> is made; (2) the backend is ended by its runtime, or by its process; (3) again, until it has been gone for a minute. An agent
/// writes a lease before it creates a backend, and looks for the mark between creating and starting it. So in whatever order the two are stopped and continue: either the agent
/// sees the mark and doesn't start, or it looked before the mark was made, and then what it starts exists when (2) looks, or comes while (3) continues.
/// </para>
/// <para>
/// What runs of this drone without a lease, or again after (3), is ended too (<see cref="UnleasedBackends"/>): an agent writes a lease before it creates a backend and lets go of it only once
/// the backend is gone, so nothing that is supervised is without one.
/// </para>
/// <para>It needs no network but the container engine's socket, no database and no agent; it writes nothing but marks.</para>
/// </summary>
internal sealed partial class GuardService(
    GuardOptions options,
    ProcessReaper ender,
    ILeaseClock clock,
    TimeProvider time,
    IReadyLine ready,
    IHostApplicationLifetime lifetime,
    ILogger<GuardService> logger) : IHostedService, IDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan AgentLookEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LockLimit = TimeSpan.FromSeconds(5);

    private readonly RunDirectory _directory = new(Path.GetFullPath(options.RunDir));
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<string, GuardedLease> _leases = new(StringComparer.Ordinal);
    private readonly HashSet<string> _notLeases = new(StringComparer.Ordinal);
    private readonly UnleasedBackends[] _unleased = Unleased(new RunDirectory(Path.GetFullPath(options.RunDir)), ender, time, logger);
    private FileLock? _lock;
    private Task _loop = Task.CompletedTask;
    private readonly Outage _outage = new(time);

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            _directory.Create();
            _lock = await FileLock.TakeAsync(_directory.GuardLock, LockLimit, time, cancellationToken)
                ?? throw new StartRefusedException($"another guard runs in the run directory {_directory.Root}: stop it, or use another --run-dir", ExitCodes.Usage);
            var own = ProcessIdentity.TryRead(Environment.ProcessId) ?? default;
            _directory.WriteGuard(new GuardPresence(own.Pid, own.StartTime, clock.BootId, PlaneVersion.Current.Version, options.WithAgent));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartRefusedException($"the run directory {_directory.Root} cannot be used: {e.Message}", ExitCodes.Usage);
        }

        LogGuarding(_directory.Root);
        _loop = Task.WhenAll([Task.Run(() => RunAsync(_stop.Token), CancellationToken.None), .. _unleased.Select(u => Task.Run(() => u.RunAsync(_stop.Token), CancellationToken.None))]);
        ready.Ready("guard", ("run-dir", _directory.Root));
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await _loop;
        await Task.WhenAll(_leases.Values.Select(l => l.Ending)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose()
    {
        _lock?.Dispose();
        _stop.Dispose();
    }

    /// <summary>One for each runtime: an engine that does not answer keeps no process from being ended.</summary>
    private static UnleasedBackends[] Unleased(RunDirectory directory, ProcessReaper ender, TimeProvider time, ILogger logger) =>
    [
        new(directory, c => ender.RunningContainersAsync(directory.ReadOwners(), c), time, logger),
        new(directory, _ => Task.FromResult(ender.RunningProcesses(directory.ReadOwners().SelectMany(directory.ReadPlaces), b => !directory.MayRun(b))), time, logger),
    ];

    private async Task RunAsync(CancellationToken stopping)
    {
        var agentLook = time.GetTimestamp();
        var agentGone = 0;
        using var timer = new PeriodicTimer(LookEvery, time);
        try
        {
            do
            {
                Look(stopping);
                if (options.WithAgent && time.GetElapsedTime(agentLook) >= AgentLookEvery)
                {
                    agentLook = time.GetTimestamp();
                    agentGone = FileLock.IsHeld(_directory.AgentLock) ? 0 : agentGone + 1;
                    if (agentGone > 1 && _leases.Values.All(l => l.IsDone))
                    {
                        Leave();
                        return;
                    }
                }
            }
            while (await timer.WaitForNextTickAsync(stopping));
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The guard stops. The next guard ends what this one was ending.
            LogStopped(_directory.Root);
        }
    }

    private void Look(CancellationToken stopping)
    {
        try
        {
            var now = clock.Milliseconds;
            foreach (var file in Directory.EnumerateFiles(_directory.Leases))
            {
                var name = Path.GetFileName(file);
                if (name.StartsWith('.') || _leases.ContainsKey(name))
                {
                    // Being written, or known.
                    continue;
                }

                if (BackendFiles.TryParseName(name) is { } backend)
                {
                    _leases.Add(name, new GuardedLease(backend, new GuardParts(_directory, ender, clock, time, options.GoneFor, logger)));
                }
                else if (_notLeases.Count < 1_000 && _notLeases.Add(name))
                {
                    LogNotALease(file);
                }
            }

            foreach (var (name, lease) in _leases)
            {
                // Asked for by name: a listing may miss what is renamed meanwhile.
                if (lease.Exists)
                {
                    lease.Look(now, stopping);
                }
                else
                {
                    lease.Released();
                    _leases.Remove(name);
                }
            }

            if (_outage.End())
            {
                LogBack();
            }
        }
        catch (DirectoryNotFoundException)
        {
            // The agent took the directory with it, or has not made it yet.
            _leases.Clear();
        }
        catch (Exception e) when (!stopping.IsCancellationRequested)
        {
            // Whatever it is, the next look comes in a quarter of a second.
            if (_outage.ShouldLog(e.Message))
            {
                LogFailed(e);
            }
        }
    }

    /// <summary>There is no agent and nothing to guard: it ends, and takes the directory along unless that still tells the next agent something.</summary>
    private void Leave()
    {
        try
        {
            using var agent = FileLock.TryTake(_directory.AgentLock);
            if (agent is not null && !_directory.HasLeases)
            {
                _directory.Remove();
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogFailed(e);
        }

        LogLeft(_directory.Root);
        lifetime.StopApplication();
    }

    [LoggerMessage(EventIds.GuardServiceGuarding, LogLevel.Information, "Guarding {Directory}")]
    private partial void LogGuarding(string directory);

    [LoggerMessage(EventIds.GuardServiceStopped, LogLevel.Information, "No longer guarding {Directory}")]
    private partial void LogStopped(string directory);

    [LoggerMessage(EventIds.GuardServiceLeft, LogLevel.Information, "No agent and no lease are left in {Directory}. The guard stops")]
    private partial void LogLeft(string directory);

    [LoggerMessage(EventIds.GuardServiceNotALease, LogLevel.Error, "{File} in the run directory is not a lease file and is ignored. Remove it")]
    private partial void LogNotALease(string file);

    [LoggerMessage(EventIds.GuardServiceFailed, LogLevel.Error, "The guard could not check the leases. It retries in 250 ms")]
    private partial void LogFailed(Exception e);

    [LoggerMessage(EventIds.GuardServiceBack, LogLevel.Information, "The guard checks the leases again")]
    private partial void LogBack();
}
