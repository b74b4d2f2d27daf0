namespace Plane.Chaos.Parts;

/// <summary>The backends, as this machine's processes.</summary>
internal static class Judges
{
    public static IReadOnlyList<int> All() => [.. Processes.All().Where(p => Is(p.Command)).Select(p => p.Pid).Order()];

    public static int? Pick(Random random) => All() is { Count: > 0 } all ? all[random.Next(all.Count)] : null;

    public static bool Is(int pid) => Is(Processes.CommandOf(pid));

    // Not the shell that started it.
    private static bool Is(string[] command) =>
        command.Length > 1 && command[0].EndsWith("dotnet", StringComparison.Ordinal) && command[1].EndsWith("judge.dll", StringComparison.Ordinal);
}
