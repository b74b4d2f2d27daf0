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
    /// <summary>Whether this is the time in which a warm backend had no key: its key here is its own name. What it did after its claim is a life of its own.</summary>
    public bool IsWarm { get; init; }

    /// <summary>How often a visitor came to it before it was claimed.</summary>
    public int EarlyVisits { get; init; }

    /// <summary>A claim for another key or token after its first one, or null.</summary>
    public string? SecondClaim { get; init; }

    /// <summary>The time between two marks of a process that isn't kept from running.</summary>
    public const long Resolution = 50_000_000;

    private const string NoKey = "-";

    /// <summary>Reads every record below a directory. A last line that was cut off by a kill doesn't count.</summary>
    public static IReadOnlyList<Life> ReadAll(string directory) => Directory.Exists(directory)
        ? [.. Directory.EnumerateFiles(directory, "*.life", SearchOption.AllDirectories).Order(StringComparer.Ordinal).SelectMany(Read)]
        : [];

    /// <summary>Reads one record; nothing where the process was killed before its first line was whole.</summary>
    public static IReadOnlyList<Life> Read(string file)
    {
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        return ParseAll(reader.ReadToEnd(), file);
    }

    /// <summary>Reads a record's text: its only life, or that with a key.</summary>
    public static Life? Parse(string text, string file) => ParseAll(text, file) is [.., var life] ? life : null;

    /// <summary>Reads a record's text: one life, or, of a warm backend that was claimed, the one before and the one after.</summary>
    public static IReadOnlyList<Life> ParseAll(string text, string file)
    {
        var lives = new List<Life>();
        var end = text.LastIndexOf('\n');
        foreach (var line in end < 0 ? [] : text[..end].Split('\n'))
        {
            var parts = line.Split(' ');
            if (parts.Length != 5 || !long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var at)
                || !long.TryParse(parts[3], NumberStyles.None, CultureInfo.InvariantCulture, out var token))
            {
                throw new InvalidDataException($"{file}: '{line}' is no line of a life");
            }

            var (what, key) = (parts[1], Uri.UnescapeDataString(parts[4]));
            if (lives is not [.., var life])
            {
                lives.Add(key == NoKey ? new Life(parts[2], token, $"(warm) {parts[2]}", at, at, false, 0, file) { IsWarm = true } : new Life(parts[2], token, key, at, at, false, 0, file));
            }
            else if (what == "claim" && life.IsWarm)
            {
                lives[^1] = life with { Last = Math.Max(life.Last, at), LongestGap = Math.Max(life.LongestGap, at - life.Last) };
                lives.Add(new Life(parts[2], token, key, at, at, false, 0, file));
            }
            else
            {
                lives[^1] = life with
                {
                    Last = Math.Max(life.Last, at),
                    Stopped = what == "stop",
                    LongestGap = Math.Max(life.LongestGap, at - life.Last),
                    EarlyVisits = life.EarlyVisits + (what == "visit" ? 1 : 0),
                    SecondClaim = what == "claim" && (life.Key, life.Token) != (key, token) ? $"{token} of key {key}" : life.SecondClaim,
                };
            }
        }

        return lives;
    }
}
