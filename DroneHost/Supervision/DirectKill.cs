using System.Globalization;
using System.Runtime.InteropServices;

namespace Plane.Drone.Supervision;

/// <summary>
/// Kills a backend's processes without its runtime, where that has not confirmed a kill in time. The process is held by a pidfd before its start time is
/// compared (pidfd_open(2), proc(5)), so a pid that was given to another process meanwhile is never killed. Its process group and its cgroup follow, where they
/// are the backend's own.
/// </summary>
internal static partial class DirectKill
{
    private const int SigKill = 9;
    private const int PidfdSendSignal = 424;
    private const int PidfdOpen = 434;

    /// <summary>Kills it; false where no such process runs any more.</summary>
    public static bool TryKill(BackendIdentity backend, int pid, long startTime)
    {
        if (pid <= 1)
        {
            return false;
        }

        var handle = (int)OpenPid(PidfdOpen, pid, 0);
        if (handle < 0)
        {
            return false;
        }

        using var held = new Microsoft.Win32.SafeHandles.SafeFileHandle(handle, ownsHandle: true);
        if (ReadStat(pid) is not { } stat || stat.StartTime != startTime)
        {
            return false;
        }

        var cgroup = OwnCgroup(backend, pid);
        if (stat.Group == pid)
        {
            // Its own group leader: the group is the backend's.
            Kill(-pid, SigKill);
        }

        var killed = SendSignal(PidfdSendSignal, handle, SigKill, 0, 0) == 0;
        if (cgroup is not null)
        {
            KillCgroup(cgroup);
        }

        return killed;
    }

    /// <summary>The process group and the start time in clock ticks, or null where there is no such process.</summary>
    internal static (int Group, long StartTime)? ReadStat(int pid)
    {
        try
        {
            // The name, in parentheses, may hold anything: fields are counted from the last parenthesis.
            var text = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));
            var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return (int.Parse(fields[2], CultureInfo.InvariantCulture), long.Parse(fields[19], CultureInfo.InvariantCulture));
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>The cgroup that was made for this backend, known by its name; never one that it shares with others.</summary>
    private static string? OwnCgroup(BackendIdentity backend, int pid)
    {
        try
        {
            foreach (var line in File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/cgroup")))
            {
                var path = line.StartsWith("0::", StringComparison.Ordinal) ? line[3..] : null;
                if (path is not null && Path.GetFileName(path).Contains(backend.Backend.Value, StringComparison.Ordinal))
                {
                    return path;
                }
            }
        }
        catch (IOException)
        {
            return null;
        }

        return null;
    }

    private static void KillCgroup(string path)
    {
        foreach (var root in (ReadOnlySpan<string>)["/sys/fs/cgroup", "/sys/fs/cgroup/unified"])
        {
            var file = $"{root}{path}/cgroup.kill";
            try
            {
                if (File.Exists(file))
                {
                    File.WriteAllText(file, "1");
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Already empty and removed, or not ours to write: the runtime's own removal follows in any case.
                continue;
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint OpenPid(nint number, int pid, uint flags);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SendSignal(nint number, int pidfd, int signal, nint info, uint flags);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int pid, int signal);
}
