namespace Plane.Chaos.Parts;

/// <summary>The backends, as this machine's processes.</summary>
internal static class Judges
{
    public static IReadOnlyList<int> All() => [.. Processes.All().Where(p => Is(p.Command)).Select(p => p.Pid).Order()];

    public static int? Pick(Random random) => All() is { Count: > 0 } all ? all[random.Next(all.Count)] : null;

    public static bool Is(int pid) => Is(Processes.CommandOf(pid));

    /// <summary>The name of the backend that a process is; null where it has ended.</summary>
    public static string? BackendOf(int pid)
    {
        const string Variable = "SESSION_BACKEND_ID=";
        try
        {
            return File.ReadAllText($"/proc/{pid}/environ").Split('\0').FirstOrDefault(v => v.StartsWith(Variable, StringComparison.Ordinal))?[Variable.Length..];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    // Not the shell that started it.
    private static bool Is(string[] command) =>
        command.Length > 1 && command[0].EndsWith("dotnet", StringComparison.Ordinal) && command[1].EndsWith("judge.dll", StringComparison.Ordinal);
}
