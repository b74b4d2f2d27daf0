using System.Globalization;

namespace Plane.Bench.Roles;

/// <summary>What a process uses, read from <c>/proc</c>.</summary>
internal static class ProcessUse
{
    /// <summary>Resident memory in bytes.</summary>
    public static long Resident(int pid) => Field(pid, "VmRSS:");

    /// <summary>The most that was ever resident, in bytes, since the process began or <see cref="ResetPeak"/>.</summary>
    public static long Peak(int pid) => Field(pid, "VmHWM:");

    public static void ResetPeak(int pid) => File.WriteAllText($"/proc/{pid}/clear_refs", "5");

    /// <summary>How many files a process may have open, for this one and what it starts.</summary>
    public static int OpenFilesLimit()
    {
        var line = File.ReadLines("/proc/self/limits").First(l => l.StartsWith("Max open files", StringComparison.Ordinal));
        return int.TryParse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[4], CultureInfo.InvariantCulture, out var hard) ? hard : int.MaxValue;
    }

    /// <summary>CPU time so far, of the process and, where asked, its children (PostgreSQL's servers of one connection each).</summary>
    public static TimeSpan Cpu(int pid, bool withChildren = false)
    {
        var ticks = Ticks(pid);
        if (withChildren)
        {
            foreach (var child in File.ReadAllText($"/proc/{pid}/task/{pid}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                ticks += Ticks(int.Parse(child, CultureInfo.InvariantCulture));
            }
        }

        return TimeSpan.FromMilliseconds(ticks * 10);
    }

    /// <summary>CPU time of a process with all children, those that have ended and were waited for among them.</summary>
    public static TimeSpan CpuWithEnded(int pid)
    {
        var fields = Stat(pid);
        return Cpu(pid, withChildren: true) + TimeSpan.FromMilliseconds((long.Parse(fields[13], CultureInfo.InvariantCulture) + long.Parse(fields[14], CultureInfo.InvariantCulture)) * 10);
    }

    private static string[] Stat(int pid)
    {
        var text = File.ReadAllText($"/proc/{pid}/stat");
        return text[(text.LastIndexOf(')') + 2)..].Split(' ');
    }

    private static long Ticks(int pid)
    {
        try
        {
            var fields = Stat(pid);
            return long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            // A child that has just ended: before the file was opened, or (ESRCH) before it was read.
            return 0;
        }
    }

    private static long Field(int pid, string name)
    {
        var line = File.ReadLines($"/proc/{pid}/status").First(l => l.StartsWith(name, StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2].Trim(), CultureInfo.InvariantCulture) * 1024;
    }
}
