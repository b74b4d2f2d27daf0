using System.Globalization;

namespace Plane.Chaos.Verdict;

/// <summary>
/// One process's life as it recorded it. <see cref="First"/> and <see cref="Last"/> are certain: it wrote at both moments. A killed process lived on for at most
/// <see cref="Resolution"/> after its last mark, a frozen one exists without marks; so what the marks prove is a lower bound of its life, and an
/// overlap of two is a fact, never an artefact of a machine that was busy.
/// </summary>
/// <param name="Backend">Whose.</param>
/// <param name="Token">The fencing token it was given.</param>
/// <param name="Key">The key it was started for.</param>
/// <param name="First">Its first mark, nanoseconds of the boot clock.</param>
/// <param name="Last">Its last mark.</param>
/// <param name="Stopped">Whether it ended by itself rather than by a kill.</param>
/// <param name="LongestGap">The longest time between two marks: a freeze.</param>
/// <param name="File">Where it stands.</param>
internal sealed record Life(string Backend, long Token, string Key, long First, long Last, bool Stopped, long LongestGap, string File)
{
    /// <summary>The time between two marks of a process that isn't kept from running.</summary>
    public const long Resolution = 50_000_000;

    /// <summary>Reads every record below a directory. A last line that was cut off by a kill doesn't count.</summary>
    public static IReadOnlyList<Life> ReadAll(string directory) => Directory.Exists(directory)
        ? [.. Directory.EnumerateFiles(directory, "*.life", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(Read).OfType<Life>()]
        : [];

    /// <summary>Reads one record; null where the process was killed before its first line was whole.</summary>
    public static Life? Read(string file)
    {
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        return Parse(reader.ReadToEnd(), file);
    }

    /// <summary>Reads a record's text.</summary>
    public static Life? Parse(string text, string file)
    {
        Life? life = null;
        var end = text.LastIndexOf('\n');
        foreach (var line in end < 0 ? [] : text[..end].Split('\n'))
        {
            var parts = line.Split(' ');
            if (parts.Length != 5 || !long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var at)
                || !long.TryParse(parts[3], NumberStyles.None, CultureInfo.InvariantCulture, out var token))
            {
                throw new InvalidDataException($"{file}: '{line}' is no line of a life");
            }

            life = life is null
                ? new Life(parts[2], token, Uri.UnescapeDataString(parts[4]), at, at, false, 0, file)
                : life with { Last = Math.Max(life.Last, at), Stopped = parts[1] == "stop", LongestGap = Math.Max(life.LongestGap, at - life.Last) };
        }

        return life;
    }
}
