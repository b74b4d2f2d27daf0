using System.Globalization;

namespace Plane.DroneHost.Runtimes.Process;

/// <summary>Adds up what a backend's processes use.</summary>
internal static class ProcessUsage
{
    // USER_HZ, which /proc counts in: 100 on every architecture that .NET runs on.
    private const long NanosecondsPerTick = 1_000_000_000 / 100;

    /// <summary>Reads one backend's.</summary>
    public static BackendUsage Read(BackendIdentity backend, ProcessIdentity launcher, string? cgroup, IReadOnlyList<ProcStat> processes)
    {
        var pids = launcher.Members(processes).Select(p => p.Pid).ToHashSet();
        if (cgroup is not null)
        {
            pids.UnionWith(Cgroups.Members(cgroup).Select(p => p.Pid));
        }

        var cpu = (cgroup is null ? null : Cgroups.CpuNanoseconds(cgroup))
            ?? processes.Where(p => pids.Contains(p.Pid)).Sum(p => p.CpuTicks) * NanosecondsPerTick;
        return new BackendUsage(backend, cpu, pids.Sum(MemoryOf));
    }

    // Anonymous and shared memory; mapped files can be read again and do not count.
    private static long MemoryOf(int pid)
    {
        try
        {
            return File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/status"))
                .Where(line => line.StartsWith("RssAnon:", StringComparison.Ordinal) || line.StartsWith("RssShmem:", StringComparison.Ordinal))
                .Sum(line => long.Parse(line.AsSpan(line.IndexOf(':', StringComparison.Ordinal) + 1).TrimEnd("kB").Trim(), CultureInfo.InvariantCulture) * 1024);
        }
        catch (IOException)
        {
            // It has ended.
            return 0;
        }
    }
}
