using System.Globalization;
using Plane.Chaos.Load;
using Plane.Chaos.Parts;
using Plane.Chaos.Verdict;

namespace Plane.Chaos;

/// <summary>The end of a run: everything is told to end, and who has is written down.</summary>
internal sealed class Ending(Folder folder, LeaseOptions numbers, Reporter reporter)
{
    /// <param name="clients">Who tells it.</param>
    /// <param name="known">The backends that clients know of; those that have left a record, or that a connect was answered with, are added.</param>
    /// <param name="log">The clients' log.</param>
    /// <param name="drones">All of them.</param>
    /// <param name="stop">Ends the run without an end.</param>
    public async Task RunAsync(Clients clients, IEnumerable<string> known, RequestLog log, IReadOnlyList<string> drones, CancellationToken stop)
    {
        foreach (var drone in drones)
        {
            await clients.DrainAsync(drone, terminate: true, stop);
        }

        var began = TimeProvider.System.GetTimestamp();
        var limit = numbers.Grace + numbers.Expiry + TimeSpan.FromSeconds(30);
        var backends = known.Concat(log.Entries.Where(e => e is { Op: Ops.Connect, Ok: true }).Select(e => e.Backend!)).Concat(Life.ReadAll(folder.Records).Select(l => l.Backend)).Distinct().ToList();
        var histories = new Dictionary<string, Entry>();
        while (TimeProvider.System.GetElapsedTime(began) < limit)
        {
            foreach (var backend in backends.Where(b => !histories.ContainsKey(b)))
            {
                if ((await clients.StatusAsync(backend, stop)) is { Ok: true, Status: "terminated" })
                {
                    histories[backend] = await clients.HistoryAsync(backend, stop);
                }
            }

            if (histories.Count == backends.Count && Judges.All().Count == 0)
            {
                break;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(250), TimeProvider.System, stop);
        }

        log.Phase(Ops.Over);
        var reasons = histories.Values.GroupBy(h => h.Reason ?? "by itself").OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => $"{g.Count()} {g.Key}");
        reporter.Say(string.Create(
            CultureInfo.InvariantCulture,
            $"{histories.Count} of {backends.Count} backends have ended, {Judges.All().Count} run, {TimeProvider.System.GetElapsedTime(began).TotalSeconds:F1} s after all were told to: {string.Join(", ", reasons)}"));
        // Whoever runs on shows it by marks that are later than the end.
        await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, stop);
    }
}
