using System.Globalization;

namespace Plane.Chaos.Parts;

/// <summary>The backends, as this machine's processes: those in containers are seen too, since the engines run in the same process namespace.</summary>
internal static class Judges
{
    public static IReadOnlyList<int> All() =>
        [.. Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(n => n!.All(char.IsAsciiDigit)).Select(n => int.Parse(n!, CultureInfo.InvariantCulture)).Where(Is).Order()];

    public static int? Pick(Random random) => All() is { Count: > 0 } all ? all[random.Next(all.Count)] : null;

    /// <summary>Whether it is one, and not the shell that started it.</summary>
    public static bool Is(int pid)
    {
        try
        {
            var command = File.ReadAllText($"/proc/{pid}/cmdline").Split('\0');
            return command.Length > 1 && command[0].EndsWith("dotnet", StringComparison.Ordinal) && command[1].EndsWith("judge.dll", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Gone between two looks.
            return false;
        }
    }
}
