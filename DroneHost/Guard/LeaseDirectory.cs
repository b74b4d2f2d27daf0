using Microsoft.Extensions.Logging;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Runtimes.Process;
using Plane.Files;
using Plane.Hosting.Running;
using Plane.Hosting;

namespace Plane.DroneHost.Guard;

/// <summary>
/// The agent's side of the run directory: it writes leases, and looks for the guard's marks.
/// <para>
/// A lease is there before the backend is created, and is rewritten with each renewal's answer as soon as that answer counts, independent of the state file: the guard
/// must neither miss a backend nor end a healthy one because a disk is full. A write that fails is repeated (<see cref="RetryFailed"/>); meanwhile the
/// drone takes no actions, and what isn't prolonged in time is ended by the guard, which is what a lease is for.
/// </para>
/// </summary>
internal sealed partial class LeaseDirectory : IDisposable
{
    private readonly RunDirectory _directory;
    private readonly RunDirectory? _former;
    private readonly FileLock _lock;
    private readonly string _instanceId;
    private readonly ILeaseClock _clock;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly Dictionary<BackendIdentity, LeaseFile> _leases = [];
    private readonly HashSet<BackendIdentity> _unwritten = [];
    private readonly HashSet<string> _places = new(StringComparer.Ordinal);
    private volatile bool _isWritable = true;

    private LeaseDirectory(RunDirectory directory, RunDirectory? former, FileLock held, string instanceId, ILeaseClock clock, ILogger logger)
    {
        _directory = directory;
        _former = former;
        _lock = held;
        _instanceId = instanceId;
        _clock = clock;
        _logger = logger;
    }

    public RunDirectory Directory => _directory;

    /// <summary>Whether everything that should be in the directory is there.</summary>
    public bool IsWritable => _isWritable;

    /// <summary>Raised when <see cref="IsWritable"/> has changed.</summary>
    public event Action? WritableChanged;

    /// <summary>Opens or makes it.</summary>
    /// <param name="root">The directory.</param>
    /// <param name="formerRoot">The one of the agent before, where the operator has chosen another since: its leases are taken over.</param>
    /// <param name="instanceId">The drone's instance.</param>
    /// <param name="clock">The lease clock.</param>
    /// <param name="time">For waiting.</param>
    /// <param name="logger">The log.</param>
    /// <param name="cancellationToken">The start is given up.</param>
    /// <exception cref="StartRefusedException">Another agent uses it, or it can't be used.</exception>
    public static async Task<LeaseDirectory> OpenAsync(
        string root, string? formerRoot, string instanceId, ILeaseClock clock, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        var directory = new RunDirectory(Path.GetFullPath(root));
        try
        {
            directory.Create();
            var held = await FileLock.TakeAsync(directory.AgentLock, TimeSpan.FromSeconds(2), time, cancellationToken)
                ?? throw new StartRefusedException($"the run directory {directory.Root} is in use by another drone agent: give each drone its own directory with --run-dir", ExitCodes.Usage);
            var opened = new LeaseDirectory(
                directory,
                formerRoot is not null && formerRoot != directory.Root ? new RunDirectory(formerRoot) : null,
                held,
                instanceId,
                clock,
                logger);
            opened.Attempt(null, () => directory.AddOwner(instanceId));
            return opened;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartRefusedException($"the run directory {directory.Root} cannot be used: {e.Message}", ExitCodes.Usage);
        }
    }

    /// <summary>Whether the guard has ended it: nothing of it may start any more.</summary>
    public bool IsEnded(BackendIdentity backend) => File.Exists(_directory.MarkOf(backend)) || (_former is not null && File.Exists(_former.MarkOf(backend)));

    /// <summary>
    /// The lease as the agent before left it, or null. Its deadlines may be later than the state file's, which is written behind them; those of another instance or boot
    /// are not returned.
    /// </summary>
    public LeaseFile? Find(BackendIdentity backend)
    {
        foreach (var directory in (RunDirectory?[])[_directory, _former])
        {
            if (directory is null || LeaseFile.Read(directory.LeaseOf(backend), backend, _clock, out var problem) is not { } lease)
            {
                continue;
            }

            if (problem is null && lease.Instance == _instanceId && lease.Boot == _clock.BootId)
            {
                return lease;
            }
        }

        return null;
    }

    /// <summary>Writes a backend's lease for the guard; from here on it is kept up. False where it can't be written: then nothing may be started.</summary>
    /// <param name="backend">The backend.</param>
    /// <param name="deadlines">Its deadlines now. Asked for under the lock, so that a renewal's answer is either in them or comes by <see cref="Prolong"/> after.</param>
    /// <param name="target">What the guard is to end.</param>
    /// <param name="confirm">How long its runtime may take to confirm the end.</param>
    public bool TryProtect(BackendIdentity backend, Func<LeaseDeadlines> deadlines, GuardTarget target, TimeSpan confirm)
    {
        lock (_gate)
        {
            var lease = LeaseFile.Of(backend, deadlines(), target, confirm);
            _leases[backend] = _leases.TryGetValue(backend, out var standing) ? lease with { Pid = standing.Pid, StartTime = standing.StartTime } : lease;
            return Write(backend);
        }
    }

    /// <summary>Says where the guard finds processes of this instance that run without a lease.</summary>
    public void AddPlaces(IEnumerable<string> places)
    {
        lock (_gate)
        {
            var added = places.Except(_places).ToList();
            if (added.Count > 0 && Attempt(null, () => _directory.AddPlaces(_instanceId, added)))
            {
                _places.UnionWith(added);
            }
        }
    }

    /// <summary>Adds the process, once it is known.</summary>
    public void SetProcess(BackendIdentity backend, int pid, long startTime)
    {
        lock (_gate)
        {
            if (pid > 1 && _leases.TryGetValue(backend, out var lease) && (lease.Pid != pid || lease.StartTime != startTime))
            {
                _leases[backend] = lease with { Pid = pid, StartTime = startTime };
                Write(backend);
            }
        }
    }

    /// <summary>Takes later deadlines over.</summary>
    public void Prolong(BackendIdentity backend, LeaseDeadlines deadlines)
    {
        lock (_gate)
        {
            if (_leases.TryGetValue(backend, out var lease) && lease.With(deadlines) is var later && later != lease)
            {
                _leases[backend] = later;
                Write(backend);
            }
        }
    }

    /// <summary>Nothing of it runs and its end is stored: the guard lets go of it.</summary>
    public void Release(BackendIdentity backend)
    {
        lock (_gate)
        {
            _leases.Remove(backend);
            _unwritten.Remove(backend);
            Delete(backend);
        }
    }

    /// <summary>
    /// Removes what agents before left of this instance and no supervisor has: what they named has been made sure of. A lease whose process runs all the same stays, for the guard: an
    /// engine that has lost its state says that there is nothing.
    /// </summary>
    /// <param name="led">Whose supervisors were begun: one that has not come to writing its lease yet has that of the agent before, and is guarded by it.</param>
    public void RemoveLeftovers(IReadOnlyCollection<BackendIdentity> led)
    {
        lock (_gate)
        {
            foreach (var directory in (RunDirectory?[])[_directory, _former])
            {
                if (directory is null || !System.IO.Directory.Exists(directory.Leases))
                {
                    continue;
                }

                foreach (var file in System.IO.Directory.EnumerateFiles(directory.Leases))
                {
                    // What can't be read may be of anybody; the guard sees to it.
                    if (BackendFiles.TryParseName(Path.GetFileName(file)) is { } backend
                        && !_leases.ContainsKey(backend)
                        && !led.Contains(backend)
                        && LeaseFile.Read(file, backend, _clock, out _) is { } lease
                        && lease.Instance == _instanceId
                        && (lease.Boot != _clock.BootId || lease.Process() is not { IsRunning: true }))
                    {
                        Delete(backend);
                    }
                }
            }
        }
    }

    /// <summary>Tries again what could not be written.</summary>
    public void RetryFailed()
    {
        var isEmptied = !System.IO.Directory.Exists(_directory.Leases);
        if (_isWritable && !isEmptied)
        {
            return;
        }

        lock (_gate)
        {
            if (isEmptied)
            {
                // Removed by somebody: what runs must not be without its lease for longer than a guard bears it.
                _unwritten.UnionWith(_leases.Keys);
                _places.Clear();
            }

            // The owners' line is there or is written; besides, it tells whether there is room when nothing else is to be written.
            Attempt(null, () =>
            {
                _directory.Create();
                _directory.AddOwner(_instanceId);
                PrivateFile.Replace(Path.Combine(_directory.Root, "probe"), new byte[1024]);
            });
            foreach (var backend in _unwritten.ToArray())
            {
                Write(backend);
            }
        }
    }

    /// <summary>Whether no backend's lease is left here: then the drone's end leaves nothing to guard.</summary>
    public bool IsEmpty => !_directory.HasLeases;

    public void Dispose() => _lock.Dispose();

    private bool Write(BackendIdentity backend)
    {
        var written = Attempt(backend, () => PrivateFile.Replace(_directory.LeaseOf(backend), _leases[backend].ToBytes()));
        if (written && _former is not null)
        {
            // The new one is written: a guard of the former directory must not go by the old one, nor take its absence for an end.
            Delete(_former, backend);
        }

        return written;
    }

    private bool Attempt(BackendIdentity? backend, Action write)
    {
        var was = _isWritable;
        try
        {
            write();
            if (backend is { } written)
            {
                _unwritten.Remove(written);
            }

            // One that succeeds among others that wait says little; all of them are tried again.
            _isWritable = _unwritten.Count == 0 && (was || backend is null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (backend is { } failed)
            {
                _unwritten.Add(failed);
            }

            _isWritable = false;
            if (was)
            {
                LogNotWritten(_directory.Root, e.Message);
            }
        }

        if (was != _isWritable)
        {
            if (_isWritable)
            {
                LogWrittenAgain(_directory.Root);
            }

            WritableChanged?.Invoke();
        }

        return backend is { } asked ? !_unwritten.Contains(asked) : _isWritable;
    }

    private void Delete(BackendIdentity backend)
    {
        TryDelete(_directory.LeaseOf(backend));
        if (_former is not null)
        {
            Delete(_former, backend);
            TryDelete(_former.MarkOf(backend));
        }
    }

    private void Delete(RunDirectory former, BackendIdentity backend)
    {
        try
        {
            former.RemoveOwner(_instanceId);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The lease stays: without it a guard of that directory would end what is supervised from here.
            LogNotRemoved(former.LeaseOf(backend), e.Message);
            return;
        }

        TryDelete(former.LeaseOf(backend));
    }

    private void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (DirectoryNotFoundException)
        {
            // Which is what was wanted.
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotRemoved(path, e.Message);
        }
    }

    [LoggerMessage(EventIds.LeaseDirectoryNotWritten, LogLevel.Error, "The drone cannot write leases to {Directory}: {Reason}. It starts no new backends until it can. Free space or repair permissions")]
    private partial void LogNotWritten(string directory, string reason);

    [LoggerMessage(EventIds.LeaseDirectoryWrittenAgain, LogLevel.Information, "The drone can write leases to {Directory} again")]
    private partial void LogWrittenAgain(string directory);

    [LoggerMessage(EventIds.LeaseDirectoryNotRemoved, LogLevel.Warning, "{File} cannot be removed: {Reason}")]
    private partial void LogNotRemoved(string file, string reason);
}
