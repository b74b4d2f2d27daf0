using Plane.Simulation.Cluster;
using Plane.Simulation.Core;
using Plane.Simulation.Drones;
using Plane.Simulation.Judging;
using Plane.Simulation.Store;

namespace Plane.Simulation;

/// <summary>All of one schedule: made from a seed, run once.</summary>
internal sealed class World
{
    public World(Settings settings, Bug bugs, Prng chance, Coverage coverage, Trace trace)
    {
        Settings = settings;
        Bugs = bugs;
        Prng = chance;
        Coverage = coverage;
        Trace = trace;
        Scheduler = new Scheduler(chance) { CalmAt = settings.CalmAt };
        Scheduler.Stalled = (who, length) =>
        {
            coverage.Count(Seen.Stall);
            Tell(who.Name, $"is stalled for {length} ms");
        };
        Numbers = bugs.HasFlag(Bug.HardEqualsSoft) ? settings.Numbers with { Hard = settings.Numbers.Soft }
            : bugs.HasFlag(Bug.HardEqualsExpiry) ? settings.Numbers with { Hard = settings.Numbers.Expiry }
            : settings.Numbers;
        Judge = new Judge(this);
        Database = new Database(this);
        Network = new Network(this);
        Silos = [.. Enumerable.Range(0, settings.Silos).Select(i => new Silo(this, i))];
        Machines = [.. Enumerable.Range(0, settings.Drones).Select(i => new Machine(this, i))];
    }

    public Settings Settings { get; }

    public Bug Bugs { get; }

    public Prng Prng { get; }

    public Coverage Coverage { get; }

    public Trace Trace { get; }

    public Scheduler Scheduler { get; }

    public LeaseOptions Numbers { get; }

    public Judge Judge { get; }

    public Database Database { get; }

    public ModelStore Store => Database.Store;

    public Network Network { get; }

    public Silo[] Silos { get; }

    public Machine[] Machines { get; }

    /// <summary>How many warm backends were started, for their names.</summary>
    public long WarmStarts { get; set; }

    /// <summary>True time.</summary>
    public long Now => Scheduler.Now;

    public bool IsCalm => Now >= Settings.CalmAt;

    /// <summary>All has ended, for good.</summary>
    public bool IsOver { get; set; }

    public bool Has(Bug bug) => (Bugs & bug) != 0;

    public void Tell(string who, [System.Runtime.CompilerServices.InterpolatedStringHandlerArgument("")] ref TraceText text)
    {
        if (text.Take() is { } line)
        {
            Trace.Add(Now, who, line);
        }
    }

    /// <summary>What a commit of a state file or a lease file takes.</summary>
    public long Disk() => Prng.Between(0, Prng.Hit(20_000) && !IsCalm ? 2_000 : 5);
}
