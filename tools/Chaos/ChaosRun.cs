using System.Globalization;
using Plane.Chaos.Faults;
using Plane.Chaos.Load;
using Plane.Chaos.Parts;
using Plane.Chaos.Verdict;

namespace Plane.Chaos;

/// <summary>
/// One run: the installation comes up, load and faults begin; the faults end and the load continues calmly until everything must have settled; what was
/// acknowledged is looked for; everything is told to end; the records are judged.
/// </summary>
internal sealed class ChaosRun(RunOptions options, int seed, Folder folder, string cgroup, Reporter reporter)
{
    private const double UnwellShare = 0.35;

    private static readonly TimeSpan RecoveryLimit = TimeSpan.FromSeconds(90);

    private readonly LeaseOptions _numbers = LeaseOptions.Scaled(options.Scale ?? RunOptions.ScaleByDefault);

    /// <summary>Whether no rule was broken.</summary>
    public async Task<bool> RunAsync(CancellationToken stop)
    {
        await using var rig = new Rig(folder, _numbers, options.Controllers, new Builds(options.Other, seed));
        var (plan, unwell) = Draw(rig);
        await rig.StartAsync(cgroup, seed, plan.Concat(unwell).Where(f => FaultKinds.OfTheClock.Contains(f.Kind)).Select(f => f.Target).ToHashSet());
        reporter.Say(string.Create(CultureInfo.InvariantCulture, $"everything is ready; a lease expires after {_numbers.Expiry.TotalSeconds:F1} s"));
        using (var log = new RequestLog(folder.Requests))
        {
            var drones = rig.Drones.Select(d => d.Name).ToList();
            var keys = Enumerable.Range(1, options.Keys).Select(i => $"room {i}").ToList();
            using var clients = new Clients(log, rig, Path.Combine(folder.Records, "process"));

            // An older build has no services.
            var claims = options.Other is null ? new ClaimWatch() : null;
            if (claims is not null)
            {
                await clients.PutServiceAsync(0, stop);
            }

            var crowd = new LoadGenerator(clients, drones, keys, _numbers, seed, claims);
            using var load = CancellationTokenSource.CreateLinkedTokenSource(stop);
            var running = crowd.RunAsync(load.Token);
            var hand = new FaultInjector(rig, _numbers, reporter.Say, claims);
            await hand.RunAsync(plan, stop);
            reporter.Say($"faults are over: there were {plan.Count}");

            // A controller that starts with a clock far off the database's refuses to: an operator sets it right.
            foreach (var stepped in plan.Where(f => f.Kind == FaultKinds.StepClock && rig.Controllers.Any(c => c.Name == f.Target)).Select(f => f.Target).Distinct())
            {
                rig.StepClock(stepped, TimeSpan.Zero);
            }

            await new Unwell(rig, _numbers, clients, crowd, hand, log, reporter).RunAsync(unwell, stop);
            crowd.IsCalm = true;
            await SettleAsync(clients, drones, stop);
            await load.CancelAsync();
            await running;
            log.Phase(Ops.Settled);
            await ProbeAsync(clients, crowd, keys, options.Controllers, stop);
            await new Ending(folder, _numbers, reporter).RunAsync(clients, crowd.Backends, log, drones, stop);
        }

        foreach (var (name, weather) in rig.Ways.Where(w => w.LinkConditions.DidAnything))
        {
            reporter.Write($"{name}: {weather.Counts}");
        }

        foreach (var part in rig.Parts.Where(p => p.UnexpectedExits > 0))
        {
            reporter.Write($"{part.Name} ended by itself {part.UnexpectedExits} times (see {part.Log})");
        }

        return JudgeFolder(folder, reporter);
    }

    /// <summary>The faults that befall all at once, and those of one controller alone after them, for a third of the time.</summary>
    private (IReadOnlyList<PlannedFault> Plan, IReadOnlyList<PlannedFault> Unwell) Draw(Rig rig)
    {
        var length = TimeSpan.FromMinutes(options.Minutes);
        bool IsPossible(PlannedFault fault) => rig.FakeTime is not null || !FaultKinds.OfTheClock.Contains(fault.Kind);
        var unwell = FaultPlan.DrawUnwell(seed, options.HasMixedFaults ? length * UnwellShare : length, _numbers.Expiry, options.Victims, options.Faults);
        var plan = options.HasMixedFaults ? FaultPlan.Draw(seed, unwell.Count > 0 ? length * (1 - UnwellShare) : length, _numbers.Expiry, options.Victims, options.Faults) : [];
        if (!plan.Concat(unwell).All(IsPossible))
        {
            reporter.Say("libfaketime is missing (Debian: faketime): no wall clock is set");
        }

        return ([.. plan.Where(IsPossible)], [.. unwell.Where(IsPossible)]);
    }

    /// <summary>The verdict over a run's records, and nothing else.</summary>
    public static bool JudgeFolder(Folder folder, Reporter reporter)
    {
        var lives = Life.ReadAll(folder.Records);
        var entries = EntryFile.Read(folder.Requests);
        foreach (var line in Figures.Of(lives, entries).Lines())
        {
            reporter.Write(line);
        }

        var findings = Judgement.Of(lives, entries);
        foreach (var finding in findings)
        {
            reporter.Write(string.Create(CultureInfo.InvariantCulture, $"VIOLATION at {reporter.Since(finding.At):F2} s ({finding.At}): {finding.Rule}: {finding.What}"));
            foreach (var line in finding.Trace is { } trace ? TraceLines.Of(folder, trace) : [])
            {
                reporter.Write($"    {line}");
            }
        }

        reporter.Write(findings.Count == 0 ? "verdict: no violation" : $"verdict: {findings.Count} violations");
        return findings.Count == 0;
    }

    private async Task SettleAsync(Clients clients, List<string> drones, CancellationToken stop)
    {
        // Longer than any lease from before, and than what is scaled with no lease: a client's waits between two attempts to connect.
        var least = Task.Delay(_numbers.Expiry + TimeSpan.FromSeconds(6), TimeProvider.System, stop);
        var began = TimeProvider.System.GetTimestamp();
        foreach (var drone in drones)
        {
            while (!(await clients.UndrainAsync(drone, stop)).Ok && TimeProvider.System.GetElapsedTime(began) < RecoveryLimit)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, stop);
            }
        }

        var ready = 0;
        while ((ready = await clients.ReadyDronesAsync(stop)) < drones.Count && TimeProvider.System.GetElapsedTime(began) < RecoveryLimit)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, stop);
        }

        reporter.Say(string.Create(CultureInfo.InvariantCulture, $"{ready} of {drones.Count} drones are ready {TimeProvider.System.GetElapsedTime(began).TotalSeconds:F1} s after the last fault"));
        await least;
    }

    /// <summary>Every key once more, over every controller, and what was acknowledged before: tickets open what they were given for, revoked ones nothing.</summary>
    private static async Task ProbeAsync(Clients clients, LoadGenerator crowd, List<string> keys, int controllers, CancellationToken stop)
    {
        var wishes = keys.Select((k, i) => new Wish(k) { InContainer = i % 2 == 0 }).Concat(crowd.OfService.Select(k => new Wish(k) { ByService = true }));
        foreach (var wish in wishes)
        {
            for (var attempt = 0; attempt < 20 && !(await clients.ConnectAsync(wish, stop)).Entry.Ok; attempt++)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, stop);
            }
        }

        for (var controller = 0; controller < controllers; controller++)
        {
            for (var attempt = 0; attempt < 20 && !(await clients.ConnectAsync(new Wish(keys[0]), stop, controller)).Entry.Ok; attempt++)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, stop);
            }
        }

        var (valid, revoked) = crowd.Tickets;
        foreach (var (ticket, i) in valid.Take(60).Concat(revoked.TakeLast(20)).Select((t, i) => (t, i)))
        {
            await clients.VisitAsync(ticket, i % 2, stop);
        }
    }
}
