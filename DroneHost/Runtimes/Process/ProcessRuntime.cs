using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;

namespace Plane.DroneHost.Runtimes.Process;

/// <summary>
/// Backends as processes of this machine, each under a small launcher (<c>launcher.sh</c>) that outlives the agent; what is known of them is in files, so that
/// the next agent finds them.
/// <para>
/// Why nothing of a backend can run once <see cref="EnsureGoneAsync"/> has returned. (1) A start in this process is ended first. (2) The file <c>ended</c> is made: a
/// launcher that looks later refuses. (3) A launcher that looked earlier has written its pid before, so the pid is read now: its session and the backend's
/// cgroup are killed, again and again, until neither has a living process. Without a cgroup a process that made its own session is not found.
/// </para>
/// </summary>
public sealed partial class ProcessRuntime : IContainerRuntime
{
    private static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan LastWait = TimeSpan.FromMilliseconds(20);

    // A launcher whose command has ended needs a moment to write down how.
    private static readonly TimeSpan ExitWait = TimeSpan.FromMilliseconds(500);

    // From its first line to its word a launcher takes milliseconds.
    private static readonly TimeSpan WordWait = TimeSpan.FromMilliseconds(500);

    private readonly ProcessRuntimeOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger<ProcessRuntime> _logger;
    private readonly string _root;
    private readonly string _bootId = BootTimeClock.Instance.BootId;
    private readonly Launcher _launcher;
    private readonly StartsInFlight _starts = new();
    private readonly CancellationTokenSource _disposed = new();
    private readonly Lock _lock = new();

    // Held while an output is read or cut: milliseconds at most.
    private readonly Lock _outputs = new();

    // How much output of what may be running was noted; by the housekeeping alone.
    private readonly Dictionary<BackendIdentity, long> _noted = [];

    // Of outputs that could not be cut, at every look: by the housekeeping alone.
    private readonly Outage _outputOutage;

    // Backends whose files could not be removed, so that each is logged once.
    private readonly ConcurrentDictionary<BackendIdentity, byte> _notRemoved = new();

    // What may be running: added by start, list and watch, removed when it is gone. The loops below look at these alone.
    private readonly ConcurrentDictionary<BackendIdentity, BackendFiles> _tracked = new();

    // Completed and replaced whenever a launcher of ours has exited, or there is one more to look at.
    private TaskCompletionSource _changed = NewSignal();
    private Cgroups? _cgroups;
    private Task? _housekeeping;

    /// <summary>Makes one; nothing is written yet.</summary>
    /// <param name="options">The settings; <see cref="ProcessRuntimeOptions.Problems"/> must be none.</param>
    /// <param name="time">For waiting.</param>
    /// <param name="logger">For what no caller waits for.</param>
    public ProcessRuntime(ProcessRuntimeOptions options, TimeProvider time, ILogger<ProcessRuntime> logger)
    {
        if (options.Problems().FirstOrDefault() is { } problem)
        {
            throw new ArgumentException(problem, nameof(options));
        }

        _options = options;
        _time = time;
        _logger = logger;
        _root = Path.Combine(options.Directory, options.InstanceId);
        _launcher = new Launcher(_root);
        _outputOutage = new Outage(time);
    }

    /// <inheritdoc/>
    public ExecutorKind Kind => ExecutorKind.Process;

    /// <inheritdoc/>
    public GuardTarget TargetOf(BackendIdentity backend) => new(GuardTarget.Processes, FilesOf(backend).Directory);

    /// <inheritdoc/>
    public IReadOnlyList<string> GuardedPlaces => _cgroups is { Root: var cgroups } ? [_root, cgroups] : [_root];

    /// <inheritdoc/>
    public Task CheckAsync(CancellationToken cancellationToken)
    {
        Install();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task PrepareAsync(BackendStart start, CancellationToken cancellationToken)
    {
        var files = FilesOf(start.Identity);
        CheckProgram(start.Executable, EnvironmentOf(start, files), files);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<StartedBackend?> StartAsync(BackendStart start, CancellationToken cancellationToken)
    {
        Install();
        return _starts.RunAsync(start.Identity, token => StartOnceAsync(start, token), cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<FoundBackend>> ListAsync(CancellationToken cancellationToken)
    {
        var found = new List<FoundBackend>();
        foreach (var files in BackendFiles.All(_root))
        {
            await WaitForWordAsync(files, files.Launcher, cancellationToken);
            var (state, process, spec) = LookAt(files);
            if (state == FoundState.Created && files.IsGone)
            {
                // It never ran and never will: there is nothing to lead or to end, only its output to look into until it is pruned.
                continue;
            }

            if (state == FoundState.Running)
            {
                Track(files);
            }

            found.Add(new FoundBackend(
                files.Backend,
                state,
                state == FoundState.Running ? new StartedBackend(spec!.Address, process.Pid, process.StartTime) : null,
                state == FoundState.Exited ? ExitOf(files) : null));
        }

        return found;
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<BackendExit> WatchExitsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var reported = new HashSet<BackendIdentity>();
        foreach (var files in BackendFiles.All(_root).Where(f => !f.IsGone && LookAt(f).State != FoundState.Created))
        {
            Track(files);
        }

        while (true)
        {
            // Taken before looking: an exit while we look completes it.
            var changed = Volatile.Read(ref _changed).Task;
            foreach (var (backend, files) in _tracked)
            {
                if (!reported.Contains(backend) && LookAt(files).State != FoundState.Running && reported.Add(backend))
                {
                    yield return ExitOf(files);
                }
            }

            reported.IntersectWith(_tracked.Keys);
            await PauseAsync(changed, cancellationToken);
        }
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<BackendUsage>> ReadUsageAsync(IReadOnlyCollection<BackendIdentity> backends, CancellationToken cancellationToken)
    {
        var usage = new List<BackendUsage>();
        var processes = ProcStat.ReadAll().ToList();
        foreach (var files in backends.Select(FilesOf))
        {
            if (LookAt(files) is (FoundState.Running, var launcher, { } spec))
            {
                usage.Add(ProcessUsage.Read(files.Backend, launcher, spec.Cgroup, processes));
            }
        }

        return Task.FromResult<IReadOnlyList<BackendUsage>>(usage);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // Backends outlive the agent: nothing is stopped here.
        if (_disposed.IsCancellationRequested)
        {
            return;
        }

        await _disposed.CancelAsync();
        if (_housekeeping is { } housekeeping)
        {
            await housekeeping;
        }

        _cgroups?.RemoveEmpty();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private BackendFiles FilesOf(BackendIdentity backend) => new(_root, backend);

    private bool IsOfThisBoot(BackendFiles files) => files.ReadSpec()?.BootId == _bootId;

    private void Install()
    {
        lock (_lock)
        {
            if (_housekeeping is not null)
            {
                return;
            }

            if (_launcher.Missing is { } missing)
            {
                throw new RuntimeUnavailableException($"Processes cannot be run on this machine: {missing} is missing.");
            }

            try
            {
                // What backends wrote while no agent looked may fill the disk that the launcher needs.
                foreach (var files in BackendFiles.All(_root))
                {
                    Cap(files);
                }

                _launcher.Install();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new RuntimeUnavailableException($"The directory {_root} cannot be used: {e.Message}", e);
            }

            var problem = "it is switched off";
            _cgroups = _options.UseCgroups ? Cgroups.TryFind(_options.InstanceId, out problem) : null;
            if (_cgroups is null)
            {
                LogNoCgroups(problem ?? "");
            }

            _housekeeping = Task.Run(HousekeepAsync);
        }
    }

    private void Track(BackendFiles files)
    {
        if (_tracked.TryAdd(files.Backend, files))
        {
            Changed();
        }
    }

    private void Changed() => Interlocked.Exchange(ref _changed, NewSignal()).TrySetResult();

    /// <summary>Until the next look: soon while something runs, else once there is something to look at.</summary>
    private async Task PauseAsync(Task changed, CancellationToken cancellationToken)
    {
        if (_tracked.IsEmpty)
        {
            await changed.WaitAsync(cancellationToken);
            return;
        }

        using var wait = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(changed, Task.Delay(_options.LookEvery, _time, wait.Token));
        await wait.CancelAsync();
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>What the files and the processes they name say.</summary>
    private (FoundState State, ProcessIdentity Process, BackendSpec? Spec) LookAt(BackendFiles files)
    {
        var spec = files.ReadSpec();

        // The command may outlive a launcher that somebody killed: the session is still the launcher's.
        if (spec?.BootId == _bootId
            && !files.IsGone
            && files.ExitCode is null
            && files.Launcher is { } launcher
            && (launcher.IsRunning || files.Child is { IsRunning: true }))
        {
            return (FoundState.Running, launcher, spec);
        }

        // Only the launcher's word says that it ran. Marks of ours say no more than that a start was given up, or that an agent has looked: what never ran may be started.
        return (files.IsStarted ? FoundState.Exited : FoundState.Created, default, spec);
    }

    private static BackendExit ExitOf(BackendFiles files) =>
        files.IsRefused
            ? new BackendExit(files.Backend, null, "Its lease had expired before it could start.")
            : new BackendExit(files.Backend, files.ExitCode, null);

    private static bool HasProcesses(BackendFiles files, BackendSpec? spec) =>
        files.Launcher is { } launcher
        && (launcher.Members(ProcStat.ReadAll()).Count > 0 || (spec?.Cgroup is { } cgroup && Cgroups.Members(cgroup).Count > 0));

    private async Task HousekeepAsync()
    {
        try
        {
            while (true)
            {
                var changed = Volatile.Read(ref _changed).Task;
                var isBounded = true;
                foreach (var files in _tracked.Values)
                {
                    isBounded &= Cap(files);
                }

                if (isBounded)
                {
                    _outputOutage.End();
                }

                foreach (var gone in _noted.Keys.Where(b => !_tracked.ContainsKey(b)).ToList())
                {
                    _noted.Remove(gone);
                }

                await PauseAsync(changed, _disposed.Token);
            }
        }
        catch (OperationCanceledException) when (_disposed.IsCancellationRequested)
        {
            // The agent ends; its backends don't.
        }
    }

    /// <summary>Bounds an output, and notes how much of it there is.</summary>
    /// <returns>Whether it could.</returns>
    private bool Cap(BackendFiles files)
    {
        try
        {
            bool isCut;
            lock (_outputs)
            {
                var noted = _noted.TryGetValue(files.Backend, out var known) ? known : OutputTimes.Read(files).End;
                isCut = OutputCap.Enforce(files, _options.OutputLimit);
                _noted[files.Backend] = OutputTimes.Note(files, noted, _time.GetUtcNow());
            }

            if (isCut)
            {
                LogOutputCut(files.Backend.Backend.Value, _options.OutputLimit);
            }

            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (_outputOutage.ShouldLog($"{files.Backend.Backend}: {e.Message}"))
            {
                LogOutputNotCut(e, files.Backend.Backend.Value);
            }

            return false;
        }
    }

    private static string AddressOf(BackendStart start) =>
        System.Net.IPAddress.TryParse(start.Ip, out var ip)
            ? new System.Net.IPEndPoint(ip, start.Port).ToString()
            : throw new RuntimeFailureException($"'{RuntimeText.Shown(start.Ip)}' is not an address.");

    private string? MarkOf(BackendIdentity backend) =>
        _options.EndedDirectory is { } directory ? Path.Combine(directory, BackendFiles.NameOf(backend)) : null;
}
