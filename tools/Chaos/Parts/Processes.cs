using System.Globalization;

namespace Plane.Chaos.Parts;

/// <summary>All processes of the sandbox, and so of its containers: their process namespaces lie within ours.</summary>
internal static class Processes
{
    public static IEnumerable<(int Pid, string[] Command)> All() => Directory.EnumerateDirectories("/proc")
        .Select(d => int.TryParse(Path.GetFileName(d), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : 0)
        .Where(pid => pid > 0)
        .Select(pid => (pid, CommandOf(pid)));

    /// <summary>Its command line; empty where it is gone.</summary>
    public static string[] CommandOf(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/cmdline").Split('\0');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Gone between two looks.
            return [];
        }
    }
}
