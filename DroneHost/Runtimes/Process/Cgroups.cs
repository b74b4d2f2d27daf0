using System.Globalization;

namespace Plane.DroneHost.Runtimes.Process;

/// <summary>
/// Cgroups for backends, so that a process that made a session of its own is found and killed too. A child of this process's own group in the v2 hierarchy (also
/// a hybrid system's, which has it beside the v1 ones), else of v1's <c>pids</c> or <c>freezer</c>; none where we may not make one. No controller is used: this is
/// about which process belongs to which backend.
/// </summary>
internal sealed class Cgroups
{
    private const string RootPrefix = "plane-";

    // A launcher enters its backend's within seconds: a cgroup that is empty for so long is not in use.
    private static readonly TimeSpan s_abandonedAfter = TimeSpan.FromHours(1);

    private readonly string _root;

    private Cgroups(string root) => _root = root;

    /// <summary>Finds a place, or says why there is none.</summary>
    public static Cgroups? TryFind(string instanceId, out string? problem)
    {
        problem = "no cgroup hierarchy is mounted";
        foreach (var (mount, path) in Hierarchies())
        {
            var root = Path.Combine(mount, path.TrimStart('/'), $"{RootPrefix}{instanceId}");
            try
            {
                RemoveAbandoned(Path.GetDirectoryName(root)!);
                Directory.CreateDirectory(root);
                if (File.Exists(Path.Combine(root, "cgroup.procs")))
                {
                    problem = null;
                    return new Cgroups(root);
                }

                Directory.Delete(root);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                problem = RuntimeText.Shown(e.Message);
            }
        }

        return null;
    }

    /// <summary>The instance's own: its children are the backends'.</summary>
    public string Root => _root;

    /// <summary>Those below an instance's own that are named as a backend's.</summary>
    public static IEnumerable<(BackendIdentity Backend, string Path)> All(string root)
    {
        if (!Directory.Exists(root))
        {
            yield break;
        }

        foreach (var child in Directory.EnumerateDirectories(root))
        {
            if (BackendFiles.TryParseName(System.IO.Path.GetFileName(child)) is { } backend)
            {
                yield return (backend, child);
            }
        }
    }

    /// <summary>Makes a backend's.</summary>
    public string? TryCreate(string name, out string? problem)
    {
        problem = null;
        var path = Path.Combine(_root, name);
        for (var tries = 0; tries < 3; tries++)
        {
            try
            {
                Directory.CreateDirectory(path);
                return path;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Once more: the end of another backend may just have removed the instance's own.
                problem = RuntimeText.Shown(e.Message);
            }
        }

        return null;
    }

    /// <summary>The file by which a process enters.</summary>
    public static string EntranceOf(string cgroup) => Path.Combine(cgroup, "cgroup.procs");

    /// <summary>The processes in it.</summary>
    public static IReadOnlyList<ProcessIdentity> Members(string cgroup)
    {
        try
        {
            return [.. File.ReadLines(EntranceOf(cgroup))
                .Select(line => int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? ProcStat.TryRead(pid) : null)
                .Where(stat => stat is { IsAlive: true })
                .Select(stat => new ProcessIdentity(stat!.Value.Pid, stat.Value.StartTime))];
        }
        catch (IOException)
        {
            // Removed: it was empty.
            return [];
        }
    }

    /// <summary>Kills all in it at once where the kernel can (5.14, v2), so that nothing forks away meanwhile.</summary>
    public static void Kill(string cgroup)
    {
        var all = Path.Combine(cgroup, "cgroup.kill");
        try
        {
            if (File.Exists(all))
            {
                File.WriteAllText(all, "1");
                return;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Removed meanwhile, or not ours to write: one by one tells.
        }

        ProcessIdentity.KillAll(Members(cgroup));
    }

    /// <summary>CPU time of all that ever was in it, or null where the hierarchy doesn't count.</summary>
    public static long? CpuNanoseconds(string cgroup)
    {
        try
        {
            foreach (var line in File.ReadLines(Path.Combine(cgroup, "cpu.stat")))
            {
                if (line.StartsWith("usage_usec ", StringComparison.Ordinal))
                {
                    return long.Parse(line.AsSpan("usage_usec ".Length), CultureInfo.InvariantCulture) * 1000;
                }
            }

            return null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Removes a backend's, and the instance's with its last one; one that still has processes stays.</summary>
    public static void Remove(string cgroup)
    {
        TryRemove(cgroup);
        if (Path.GetDirectoryName(cgroup) is { } root && Path.GetFileName(root).StartsWith(RootPrefix, StringComparison.Ordinal))
        {
            TryRemove(root);
        }
    }

    /// <summary>Removes the instance's own, if nothing is left in it.</summary>
    public void RemoveEmpty() => RemoveEmpty(_root);

    private static void RemoveEmpty(string root)
    {
        if (!Directory.Exists(root))
        {
            return;
        }

        foreach (var child in Directory.EnumerateDirectories(root))
        {
            TryRemove(child);
        }

        TryRemove(root);
    }

    /// <summary>Removes what drones that never came back have left.</summary>
    private static void RemoveAbandoned(string parent)
    {
        var before = TimeProvider.System.GetUtcNow() - s_abandonedAfter;
        foreach (var root in Directory.EnumerateDirectories(parent, $"{RootPrefix}*"))
        {
            try
            {
                if (Directory.GetLastWriteTimeUtc(root) < before && Directory.EnumerateDirectories(root).All(c => Directory.GetLastWriteTimeUtc(c) < before))
                {
                    RemoveEmpty(root);
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Another drone removes it at this moment, or it is another user's: no reason to run without cgroups.
                continue;
            }
        }
    }

    private static void TryRemove(string cgroup)
    {
        try
        {
            Directory.Delete(cgroup);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Removed already, or something is in it: a backend, or for a moment a dead process. Pruning, the end of the agent and the start of the next one try again.
        }
    }

    private static IEnumerable<(string Mount, string Path)> Hierarchies()
    {
        // "0::/path" is v2's; "8:pids:/path" a v1 controller's. In the mounts: device, directory, type, options.
        var own = File.ReadLines("/proc/self/cgroup").Select(line => line.Split(':', 3)).Where(p => p.Length == 3 && !p[2].Contains("..", StringComparison.Ordinal)).ToList();
        var mounts = File.ReadLines("/proc/self/mounts").Select(line => line.Split(' ')).Where(m => m.Length > 3).ToList();
        foreach (var mount in mounts.Where(m => m[2] == "cgroup2"))
        {
            foreach (var path in own.Where(p => p[0] == "0").Select(p => p[2]))
            {
                yield return (mount[1], path);
            }
        }

        foreach (var controller in (string[])["pids", "freezer"])
        {
            foreach (var mount in mounts.Where(m => m[2] == "cgroup" && m[3].Split(',').Contains(controller)))
            {
                foreach (var path in own.Where(p => p[1].Split(',').Contains(controller)).Select(p => p[2]))
                {
                    yield return (mount[1], path);
                }
            }
        }
    }
}
