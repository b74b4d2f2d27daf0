using System.Globalization;

namespace Plane.DroneHost.Runtimes;

/// <summary>What <c>/proc/&lt;pid&gt;/stat</c> says of a process (proc(5)).</summary>
/// <param name="Pid">The process.</param>
/// <param name="State">Its state; <c>Z</c> and <c>X</c> are dead.</param>
/// <param name="Session">The session it belongs to.</param>
/// <param name="CpuTicks">CPU time of itself and of the children it has waited for, in clock ticks.</param>
/// <param name="StartTime">When it started, in clock ticks since boot.</param>
internal readonly record struct ProcStat(int Pid, char State, int Session, long CpuTicks, long StartTime)
{
    /// <summary>Whether it is more than an entry that its parent hasn't read yet.</summary>
    public bool IsAlive => State is not ('Z' or 'X');

    /// <summary>Reads one, or null if there is no such process.</summary>
    public static ProcStat? TryRead(int pid)
    {
        try
        {
            return Parse(pid, File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat")));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Gone before or while it was read (ENOENT, ESRCH).
            return null;
        }
    }

    /// <summary>Every process that this one can see.</summary>
    public static IEnumerable<ProcStat> ReadAll()
    {
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(directory.AsSpan("/proc/".Length), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && TryRead(pid) is { } stat)
            {
                yield return stat;
            }
        }
    }

    private static ProcStat? Parse(int pid, string text)
    {
        // The command's name is in parentheses and may itself have blanks and parentheses: what follows the last one is numbered from 3.
        var rest = text[(text.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (rest.Length < 20)
        {
            return null;
        }

        long Field(int number) => long.Parse(rest[number - 3], CultureInfo.InvariantCulture);
        return new ProcStat(pid, rest[0][0], (int)Field(6), Field(14) + Field(15) + Field(16) + Field(17), Field(22));
    }
}
