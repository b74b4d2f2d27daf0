using System.Globalization;
using Plane.Chaos.Faults;

namespace Plane.Chaos.Verdict;

/// <summary>
/// Judges the times in which one controller of several was unwell and everything else was well:
/// <list type="number">
/// <item>Each connect to a held key at another controller, and each first request with a new token, succeeds within <see cref="Limit"/>. What the machine itself kept the programs waiting
/// for is added: as long as the slowest request took that was under way at the same time over a known route, which asks no controller.</item>
/// <item>A controller that can know of it (<see cref="FaultKinds.SaidByHealth"/>) does not call itself healthy after <see cref="Notice"/>.</item>
/// <item>After the fault it calls itself healthy again, be it as the same process or as a new one.</item>
/// </list>
/// </summary>
internal static class Patience
{
    public const long Limit = 1_000_000_000;

    /// <summary>Signs of life, by which a controller notices that its clock is wrong, come every 7 s.</summary>
    public const long Notice = 12_000_000_000;

    public static IEnumerable<Finding> Judge(IReadOnlyList<Entry> entries) =>
        entries.Where(e => e.Op == Ops.Window).SelectMany(w => InWindow(w, [.. entries.Where(e => e.Start >= w.Start && e.Start <= w.End)]));

    private static IEnumerable<Finding> InWindow(Entry window, List<Entry> entries)
    {
        var known = entries.Where(e => e.Probe == Probes.Known).ToList();
        foreach (var probe in entries.Where(e => e.Probe is Probes.Held or Probes.First))
        {
            var noise = known.Where(k => k.Start <= probe.End && k.End >= probe.Start).Select(k => k.End - k.Start).DefaultIfEmpty(0).Max();
            if (!probe.Ok || probe.End - probe.Start > Limit + noise)
            {
                var fault = entries.FirstOrDefault(e => e.Op == Ops.Fault);
                yield return new Finding(Rules.ShortWaits, $"{Name(probe)} {(probe.Ok ? "took" : $"failed ({probe.Error}) after")} {Seconds(probe.End - probe.Start)}, a request on a known route at the same time {Seconds(noise)}; {When(fault, probe)}", probe.End)
                {
                    Trace = new Trace([probe.Proxy ?? probe.Controller ?? "", .. fault?.Controller is { } unwell ? (string[])[unwell] : []], Utc(window, probe.Start), Utc(window, probe.End)),
                };
            }
        }

        foreach (var fault in entries.Where(e => e.Op == Ops.Fault))
        {
            var healthy = entries.Where(e => e.Op == Ops.Health && e.Ok && e.Controller == fault.Controller).ToList();
            if (FaultKinds.SaidByHealth.Contains(fault.Key!) && healthy.Find(h => h.Start > fault.Start + Notice && h.End < fault.End) is { } wrong)
            {
                yield return new Finding(Rules.SaysSo, $"{fault.Controller} called itself healthy {Seconds(wrong.Start - fault.Start)} after {fault.Key}", wrong.End);
            }

            if (!healthy.Exists(h => h.Start > fault.End))
            {
                yield return new Finding(Rules.WellAgain, $"{fault.Controller} was not healthy again {Seconds(window.End - fault.End)} after the end of {fault.Key}", window.End);
            }
        }
    }

    private static string Name(Entry probe) => probe.Probe == Probes.Held
        ? $"a connect to the held key {probe.Key} at {probe.Controller}"
        : $"the first request with ticket {probe.Ticket} of {probe.Backend} over {probe.Proxy}";

    private static string When(Entry? fault, Entry probe) =>
        fault is null ? "no fault had begun"
        : probe.Start < fault.End ? $"{Seconds(probe.Start - fault.Start)} after the beginning of {fault.Key} {fault.Controller}"
        : $"{Seconds(probe.Start - fault.End)} after the end of {fault.Key} {fault.Controller}";

    private static DateTimeOffset Utc(Entry window, long at) => DateTimeOffset.FromUnixTimeMilliseconds(window.Utc).AddTicks((at - window.Start) / 100);

    private static string Seconds(long nanoseconds) => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds / 1e9:F3} s");
}
