using System.Globalization;

namespace Plane.Chaos.Verdict;

/// <summary>What a run amounted to, from the same two records.</summary>
internal sealed class Figures
{
    public required int Backends { get; init; }

    public required int Tokens { get; init; }

    /// <summary>How many backends were started without a key, and how many of them were told one.</summary>
    public required (int Started, int Claimed) Warm { get; init; }

    public required IReadOnlyDictionary<string, int> Connects { get; init; }

    public required IReadOnlyDictionary<string, int> Others { get; init; }

    /// <summary>The longest time that a key, while clients asked for it, had no backend.</summary>
    public required TimeSpan LongestWithout { get; init; }

    public required string? LongestWithoutKey { get; init; }

    /// <summary>The shortest time between the last mark of a backend and the first of its successor.</summary>
    public required TimeSpan? NarrowestHandover { get; init; }

    public required TimeSpan LongestFreeze { get; init; }

    /// <summary>While one controller was unwell: how long each kind of request took, and by which fault the longest.</summary>
    public required IReadOnlyList<string> WhileUnwell { get; init; }

    public static Figures Of(IReadOnlyList<Life> lives, IReadOnlyList<Entry> entries)
    {
        var connects = entries.Where(e => e.Op == Ops.Connect).ToList();
        var (without, key) = LongestGap(lives, connects);
        var handovers = lives.Where(l => !l.IsWarm).GroupBy(l => l.Key)
            .SelectMany(g => g.OrderBy(l => l.First).Zip(g.OrderBy(l => l.First).Skip(1), (a, b) => b.First - a.Last))
            .ToList();
        return new Figures
        {
            Backends = lives.Select(l => l.Backend).Distinct().Count(),
            Warm = (lives.Count(l => l.IsWarm), lives.Count(l => !l.IsWarm && lives.Any(w => w.IsWarm && w.File == l.File))),
            Tokens = connects.Where(c => c.Ok).Select(c => c.Token).Concat(lives.Select(l => l.Token)).Distinct().Count(),
            Connects = Count(connects, e => e.Ok ? (e.Spawned ? "spawned" : "joined") : e.Error ?? "refused"),
            Others = Count(entries.Where(e => e.Op is not (Ops.Connect or Ops.Phase or Ops.History or Ops.Health or Ops.Fault or Ops.Window)), e => $"{e.Op} {(e.Ok ? "ok" : e.Error)}"),
            LongestWithout = Span(without),
            LongestWithoutKey = key,
            NarrowestHandover = handovers.Count == 0 ? null : Span(handovers.Min()),
            LongestFreeze = Span(lives.Select(l => l.LongestGap).DefaultIfEmpty().Max()),
            WhileUnwell = [.. entries.Where(e => e.Op == Ops.Window).Select(w => Unwell(w, entries))],
        };
    }

    public IEnumerable<string> Lines()
    {
        yield return $"connects: {List(Connects)}";
        yield return $"others: {List(Others)}";
        yield return $"backends: {Backends}, fencing tokens: {Tokens}; started warm: {Warm.Started}, of them claimed: {Warm.Claimed}";
        yield return $"longest time a key was without a backend while asked for: {Text(LongestWithout)}{(LongestWithoutKey is null ? "" : $" (key {LongestWithoutKey})")}";
        yield return $"narrowest hand-over of a key: {(NarrowestHandover is { } narrow ? Text(narrow) : "none")}; longest time a backend was frozen: {Text(LongestFreeze)}";
        foreach (var line in WhileUnwell)
        {
            yield return line;
        }
    }

    private static string Unwell(Entry window, IReadOnlyList<Entry> entries)
    {
        var within = entries.Where(e => e.Start >= window.Start && e.Start <= window.End).ToList();
        var fault = within.Find(e => e.Op == Ops.Fault);
        string Of(string probe) => within.Where(e => e.Probe == probe).Select(e => Span(e.End - e.Start).TotalSeconds).Order().ToList() is { Count: > 0 } all
            ? string.Create(CultureInfo.InvariantCulture, $"{all[all.Count / 2]:F3} s, at most {all[^1]:F3} s of {all.Count}")
            : "none";
        return $"{fault?.Key} {fault?.Controller}: a connect to a held key took {Of(Probes.Held)}; a first request {Of(Probes.First)}; a request on a known route {Of(Probes.Known)}";
    }

    /// <summary>From the first request that found nobody (or the end of the last life, if that is later) to the first mark of the next life.</summary>
    private static (long, string?) LongestGap(IReadOnlyList<Life> lives, List<Entry> connects)
    {
        (long Gap, string? Key) longest = (0, null);
        foreach (var ofKey in connects.GroupBy(c => c.Key))
        {
            var ordered = lives.Where(l => l.Key == ofKey.Key).OrderBy(l => l.First).ToList();
            var end = ofKey.Max(c => c.End);
            var covered = long.MinValue;
            foreach (var (from, to, last) in ordered.Select(l => (l.First, l.First, l.Last)).Append((end, end, end)))
            {
                var asked = ofKey.Where(c => c.Start >= covered && c.Start < from).Select(c => c.Start).DefaultIfEmpty(long.MaxValue).Min();
                if (asked < to && to - asked > longest.Gap)
                {
                    longest = (to - asked, ofKey.Key);
                }

                covered = Math.Max(covered, last);
            }
        }

        return longest;
    }

    private static SortedDictionary<string, int> Count(IEnumerable<Entry> entries, Func<Entry, string> by) =>
        new(entries.GroupBy(by).ToDictionary(g => g.Key, g => g.Count()), StringComparer.Ordinal);

    private static string List(IReadOnlyDictionary<string, int> counts) =>
        counts.Count == 0 ? "none" : string.Join(", ", counts.Select(c => string.Create(CultureInfo.InvariantCulture, $"{c.Value} {c.Key}")));

    private static TimeSpan Span(long nanoseconds) => TimeSpan.FromTicks(nanoseconds / 100);

    private static string Text(TimeSpan span) => string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:F3} s");
}
