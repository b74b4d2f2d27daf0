namespace Plane.DroneHost.Runtimes.Process;

/// <summary>
/// What runs of a drone instance's process backends: by the files that their launchers left, and by their cgroups, which have their processes also where the files are gone. Agent and guard
/// search both for processes without a supervisor.
/// </summary>
internal static class ProcessPlaces
{
    /// <summary>Every backend that has a living process in one of the places and that a caller is interested in.</summary>
    /// <param name="places">Directories of launchers' files, and cgroups of instances.</param>
    /// <param name="isOfInterest">Asked before a backend's processes are looked for.</param>
    /// <param name="bootId">This boot: process numbers of another one mean nothing.</param>
    public static IReadOnlyList<RunningProcesses> Find(IEnumerable<string> places, Func<BackendIdentity, bool> isOfInterest, string bootId)
    {
        var found = new List<RunningProcesses>();
        foreach (var place in places)
        {
            var isCgroup = File.Exists(Cgroups.EntranceOf(place));
            found.AddRange(isCgroup
                ? Cgroups.All(place).Where(c => isOfInterest(c.Backend)).Select(c => new RunningProcesses(c.Backend, null, c.Path))
                : BackendFiles.All(place).Where(f => !f.IsGone && isOfInterest(f.Backend)).Select(f => (Files: f, Spec: f.ReadSpec()))
                    .Where(f => f.Spec?.BootId == bootId).Select(f => new RunningProcesses(f.Files.Backend, f.Files, f.Spec!.Cgroup)));
        }

        return [.. found.Where(f => f.Count() > 0)];
    }
}

/// <summary>Processes of one backend.</summary>
/// <param name="Backend">The backend.</param>
/// <param name="Files">What its launcher left, where that is known: the launcher's session is killed too.</param>
/// <param name="Cgroup">Its cgroup, if it has one.</param>
internal sealed record RunningProcesses(BackendIdentity Backend, BackendFiles? Files, string? Cgroup)
{
    /// <summary>How many are alive.</summary>
    public int Count() =>
        (Cgroup is null ? 0 : Cgroups.Members(Cgroup).Count) + (Files?.Launcher is { } launcher ? launcher.Members(ProcStat.ReadAll()).Count : 0);

    /// <summary>Keeps a launcher that comes late from starting it, and sends SIGKILL to all of it that is found.</summary>
    /// <returns>How many processes were found alive.</returns>
    public int Kill()
    {
        try
        {
            if (Files is { Exists: true })
            {
                Files.MarkEnded();
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A disk that is full or read-only keeps nothing running. What a late launcher starts without the mark is found at the next look.
        }

        var found = Cgroup is null ? 0 : Cgroups.Members(Cgroup).Count;
        if (Cgroup is not null)
        {
            Cgroups.Kill(Cgroup);
        }

        found += Files?.Launcher?.KillSession() ?? 0;
        if (found == 0 && Cgroup is not null)
        {
            Cgroups.Remove(Cgroup);
        }

        return found;
    }
}
