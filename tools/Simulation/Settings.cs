using Plane.Simulation.Core;

namespace Plane.Simulation;

/// <summary>What a schedule is about: each kind of trouble is rare among all of them, and common in a share of the schedules.</summary>
public enum Focus
{
    /// <summary>Anything, in any strength.</summary>
    Mixed,

    /// <summary>Drones are cut off while others want their keys, and the database's clock is stepped.</summary>
    Partitions,

    /// <summary>Statements stand still for long.</summary>
    Database,

    /// <summary>Messages come minutes late.</summary>
    Messages,

    /// <summary>Agents stand still, die, lose their state.</summary>
    Agents,

    /// <summary>Ids are chosen and used again.</summary>
    Ids,

    /// <summary>The database's clock is set forward and back while statements stand still.</summary>
    Clock,

    /// <summary>Warm backends are kept, and claimed.</summary>
    Warm,
}

/// <summary>What one schedule is made of. Each seed mixes other faults in other strengths: what every fault at once would drown, some mixes show.</summary>
internal sealed class Settings
{
    /// <summary>After the faults have stopped everything must have ended by then.</summary>
    public const long EndsWithin = 170_000;

    public Settings(Prng chance, Bug bugs, Focus? focus = null)
    {
        Silos = 1 + chance.Below(2);
        Drones = 2 + (chance.Percent(25) ? 1 : 0);
        Keys = 1 + chance.Below(2);
        ClientsPerKey = 1 + chance.Below(2);
        CalmAt = chance.Between(100_000, 220_000);
        ChosenIds = chance.Percent(25);
        KeepEnded = ChosenIds ? chance.Between(1_000, 40_000) : 3_600_000;
        MaxBackends = chance.Percent(20) ? 1 : 8;
        AgentStalls = Strength(chance);
        SiloStalls = Strength(chance);
        DatabaseStalls = Strength(chance);
        Loss = Strength(chance) * 20;
        Duplicates = Strength(chance) * 20;
        LongDelays = Strength(chance) * 10;
        LostAnswers = Strength(chance) * 10;
        Jitter = chance.Pick<long>(10, 200, 2_000);
        SlowRuntime = chance.Percent(30);
        Faults = chance.Below(9);
        for (var kind = 0; kind < FaultKinds; kind++)
        {
            if (chance.Percent(45))
            {
                Kinds.Add(kind);
            }
        }

        Stubborn = chance.Pick(10, 30, 80);
        IsLongLived = chance.Percent(25);
        IdleBetween = chance.Pick<long>(3_000, 15_000, 40_000);
        var drawn = chance.Below(10) switch
        {
            0 => Focus.Partitions,
            1 => Focus.Database,
            2 => Focus.Messages,
            3 => Focus.Agents,
            4 => Focus.Ids,
            5 => Focus.Clock,
            6 => Focus.Warm,
            _ => Focus.Mixed,
        };
        switch (focus ?? drawn)
        {
            case Focus.Partitions:
                (Kinds, Faults, IdleBetween, Stubborn) = ([5, 6, 10], 8, 1_500, 80);
                break;
            case Focus.Database:
                (Kinds, Faults, IdleBetween, DatabaseStalls, IsLongLived) = ([5, 6, 9], 3, 2_500, 12_000, chance.Percent(50));
                break;
            case Focus.Messages:
                (Kinds, Faults, IdleBetween, LongDelays, Stubborn) = ([5, 6, 5, 6, 7], 7, 1_000, 80_000, 80);
                break;
            case Focus.Agents:
                (Kinds, Faults, IdleBetween, AgentStalls) = ([0, 1, 2, 3, 11], 6, 2_500, 12_000);
                break;
            case Focus.Ids:
                (Kinds, Faults, IdleBetween, ChosenIds, KeepEnded) = ([5, 6, 5, 6, 0, 4], 7, 3_000, true, 1_000);
                break;
            case Focus.Warm:
                (Pool, Faults, IdleBetween, MaxBackends, Stubborn) = (1 + chance.Below(3), 6, chance.Pick<long>(800, 2_500, 8_000), 8, 10);
                if (chance.Percent(50))
                {
                    (Kinds, AgentStalls, DatabaseStalls) = ([0, 1, 0, 5, 6, 7, 11], 12_000, 4_000);
                }

                break;
            case Focus.Clock:
                (Kinds, Faults, IdleBetween, DatabaseStalls) = ([10, 10, 10, 5], 8, 800, 40_000);
                break;
        }

        DatabaseRate = Rate(chance);
        StepsForward = bugs.HasFlag(Bug.ClockStepTooFar) ? 15_000 : (long)(Numbers.Expiry - ((Numbers.Hard + Numbers.Kill) * 1.0202)).TotalMilliseconds;
    }

    public const int FaultKinds = 12;

    public LeaseOptions Numbers { get; } = new();

    public int Silos { get; }

    public int Drones { get; }

    public int Keys { get; }

    /// <summary>How many warm backends are kept; their keys follow those of clients.</summary>
    public int Pool { get; }

    public int ClientsPerKey { get; }

    /// <summary>When faults and clients stop.</summary>
    public long CalmAt { get; }

    public bool ChosenIds { get; }

    public long KeepEnded { get; }

    public int MaxBackends { get; }

    public int AgentStalls { get; }

    public int SiloStalls { get; }

    public int DatabaseStalls { get; }

    public int Loss { get; }

    public int Duplicates { get; }

    public int LongDelays { get; }

    public int LostAnswers { get; }

    public long Jitter { get; }

    public bool SlowRuntime { get; }

    public int Faults { get; }

    public List<int> Kinds { get; } = [];

    public double DatabaseRate { get; }

    /// <summary>How far the database's clock is stepped forward in sum: what expiry leaves over hard deadline, kill and drift.</summary>
    public long StepsForward { get; }

    public long IdleBetween { get; }

    /// <summary>Hardly anybody ends a session: leases are renewed again and again.</summary>
    public bool IsLongLived { get; }

    /// <summary>So many of a hundred backends ignore the stop signal.</summary>
    public int Stubborn { get; }

    /// <summary>A clock's rate against true time, up to 1 % off, often at the edge.</summary>
    public static double Rate(Prng chance) => chance.Below(3) switch { 0 => 0.99, 1 => 1.01, _ => 1 + ((chance.Below(2001) - 1000) / 100_000.0) };

    private static int Strength(Prng chance) => chance.Pick(0, 0, 300, 1_000, 4_000);
}
