using Plane.Simulation.Cluster;
using Plane.Simulation.Core;
using Plane.Simulation.Judging;

namespace Plane.Simulation;

/// <summary>What became of a schedule.</summary>
/// <param name="Seed">Its seed: the same seed is the same schedule.</param>
/// <param name="Rule">The rule that was broken, or null.</param>
/// <param name="Text">How.</param>
/// <param name="Trace">The last events before it, where they were kept.</param>
/// <param name="Events">How many steps it had.</param>
public sealed record Outcome(ulong Seed, string? Rule, string? Text, IReadOnlyCollection<string> Trace, long Events)
{
    /// <summary>The seed, the broken rule and the trace.</summary>
    public override string ToString() => Rule is null
        ? $"seed {Seed}: clean, {Events} events"
        : $"seed {Seed}: {Rule}: {Text}{Environment.NewLine}{string.Join(Environment.NewLine, Trace)}";
}

/// <summary>One schedule, from its seed to its verdict.</summary>
public static class Schedule
{
    /// <summary>Runs one.</summary>
    /// <param name="seed">Everything that chance decides follows from it.</param>
    /// <param name="bugs">Mistakes to plant.</param>
    /// <param name="coverage">Counts what happened, where wanted.</param>
    /// <param name="focus">What it is about; by default the seed says.</param>
    /// <param name="trace">How many of the last events to keep; a schedule goes the same way with and without.</param>
    public static Outcome Run(ulong seed, Bug bugs = Bug.None, Coverage? coverage = null, int trace = 0, Focus? focus = null)
    {
        var chance = new Prng(seed);
        var settings = new Settings(chance, bugs, focus);
        var lines = new Trace(trace);
        var world = new World(settings, bugs, chance, coverage ?? new Coverage(), lines);
        new Clients(world).Begin();
        new Faults(world).Begin();
        bool IsBroken() => world.Judge.Violation is not null;
        world.Scheduler.RunUntil(settings.CalmAt, () => world.IsOver || IsBroken());

        // A clock that was set back makes leases so much longer.
        world.Scheduler.RunUntil(settings.CalmAt + Settings.EndsWithin + world.Database.SteppedBack, () => world.IsOver || IsBroken());
        if (!IsBroken())
        {
            world.Judge.AtTheEnd();
        }

        world.Coverage.Count(Seen.TakeOver, world.Store.TakeOvers);
        return new Outcome(seed, world.Judge.Violation?.Rule, world.Judge.Violation?.Text, lines.Lines, world.Scheduler.Events);
    }
}
