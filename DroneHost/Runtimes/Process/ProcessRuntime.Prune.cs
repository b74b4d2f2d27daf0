namespace Plane.DroneHost.Runtimes.Process;

// What is removed once it is old.
public sealed partial class ProcessRuntime
{
    /// <inheritdoc/>
    public Task<int> PruneAsync(TimeSpan age, CancellationToken cancellationToken)
    {
        var before = _time.GetUtcNow() - age;
        var removed = 0;
        foreach (var files in BackendFiles.All(_root))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var (state, _, spec) = LookAt(files);
            var since = files.EndedAt ?? Directory.GetLastWriteTimeUtc(files.Directory);
            if (state == FoundState.Running || since > before || _starts.Contains(files.Backend) || (!files.IsGone && HasProcesses(files, spec)))
            {
                continue;
            }

            // A launcher that comes as late as this finds no directory and ends.
            if (!TryDelete(files))
            {
                continue;
            }

            if (spec?.Cgroup is { } cgroup)
            {
                Cgroups.Remove(cgroup);
            }

            _tracked.TryRemove(files.Backend, out _);
            removed++;
        }

        foreach (var gone in _notRemoved.Keys.Where(b => !FilesOf(b).Exists && !FilesOf(b).Aside.Exists))
        {
            _notRemoved.TryRemove(gone, out _);
        }

        return Task.FromResult(removed);
    }

    /// <summary>Removes files of a backend. What cannot be removed, as a file that was made immutable or a directory where something is mounted, is logged once and tried again later.</summary>
    private bool TryDelete(BackendFiles files)
    {
        try
        {
            files.Delete();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (_notRemoved.TryAdd(files.Backend, 0))
            {
                LogNotRemoved(files.Backend.Backend.Value, files.Directory, e.Message);
            }

            return false;
        }
    }
}
