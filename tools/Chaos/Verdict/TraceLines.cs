using System.Globalization;
using Plane.Chaos.Parts;

namespace Plane.Chaos.Verdict;

/// <summary>A request's trace, from the logs of a run.</summary>
internal static class TraceLines
{
    private const int MostOfEach = 12;

    private static readonly TimeSpan s_around = TimeSpan.FromMilliseconds(300);

    /// <summary>What the programs on a request's way logged while it was under way.</summary>
    public static IEnumerable<string> Of(Folder folder, Trace trace) => trace.Parts
        .Select(p => (Part: p, File: Path.Combine(folder.Logs, $"{p}.log")))
        .Where(p => File.Exists(p.File))
        .SelectMany(p => File.ReadLines(p.File).Where(l => IsWithin(l, trace)).Take(MostOfEach).Select(l => $"{p.Part}: {l}"));

    private static bool IsWithin(string line, Trace trace) =>
        line.IndexOf(' ', StringComparison.Ordinal) is > 0 and var end
        && DateTimeOffset.TryParseExact(line.AsSpan(0, end), "yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
        && at >= trace.From - s_around && at <= trace.To + s_around;
}
