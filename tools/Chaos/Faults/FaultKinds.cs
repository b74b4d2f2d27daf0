using Plane.Chaos.Parts;

namespace Plane.Chaos.Faults;

/// <summary>What faults may befall.</summary>
/// <param name="Guard">Whether drones have a guard.</param>
/// <param name="Controllers">How many controllers there are.</param>
internal sealed record Victims(bool Guard, int Controllers);

/// <summary>Everything that a run may do to an installation.</summary>
internal static class FaultKinds
{
    public const string KillSilo = "kill-controller";
    public const string FreezeSilo = "freeze-controller";
    public const string KillSilos = "kill-all-controllers";
    public const string FreezeSilos = "freeze-all-controllers";
    public const string PartSilos = "part-controllers";
    public const string HalfPartSilos = "part-controllers-one-way";
    public const string SlowSilos = "delay-between-controllers";
    public const string CutSilos = "cut-between-controllers";
    public const string PartDatabase = "part-from-database";
    public const string RestartDatabase = "restart-database";
    public const string KillDatabase = "kill-database";
    public const string KillAgent = "kill-agent";
    public const string FreezeAgent = "freeze-agent";
    public const string KillAgentAtClaim = "kill-agent-at-claim";
    public const string KillSiloAtClaim = "kill-controller-at-claim";
    public const string KillGuard = "kill-guard";
    public const string FreezeGuard = "freeze-guard";
    public const string KillProxy = "kill-proxy";
    public const string FreezeProxy = "freeze-proxy";
    public const string KillBackend = "kill-backend";
    public const string FreezeBackend = "freeze-backend";
    public const string LogFlood = "log-flood";
    public const string Unplug = "unplug";
    public const string Deaf = "lose-from-controller";
    public const string Mute = "lose-to-controller";
    public const string HoldFrom = "hold-from-controller";
    public const string HoldTo = "hold-to-controller";
    public const string SlowStream = "delay-stream";
    public const string CutStream = "cut-stream";
    public const string KillEngine = "kill-dockerd";
    public const string FreezeEngine = "freeze-dockerd";
    public const string Meddle = "meddle-with-containers";
    public const string FullDisk = "full-disk";
    public const string StepClock = "step-clock";
    public const string SlowSilo = "slow-controller";
    public const string ClockBack = "set-clock-back";
    public const string ClockAhead = "set-clock-ahead";
    public const string NoDescriptors = "exhaust-descriptors";

    /// <summary>What makes one controller of several unwell. Each is done alone, to an installation that is otherwise well, so that what its clients notice is due to it.</summary>
    public static readonly IReadOnlyList<string> Unwell = [FreezeSilo, SlowSilo, ClockBack, ClockAhead, PartDatabase, NoDescriptors];

    /// <summary>Those of which the controller itself knows, so that its health says so.</summary>
    public static readonly IReadOnlySet<string> SaidByHealth = new HashSet<string> { ClockBack, ClockAhead, PartDatabase, NoDescriptors };

    /// <summary>Those that set a wall clock.</summary>
    public static readonly IReadOnlySet<string> OfTheClock = new HashSet<string> { StepClock, ClockBack, ClockAhead };

    /// <summary>Those of the way between two programs, of which there is one weather at a time.</summary>
    public static readonly IReadOnlySet<string> OfTheWay = new HashSet<string>
    {
        Deaf, Mute, HoldFrom, HoldTo, SlowStream, CutStream, PartSilos, HalfPartSilos, SlowSilos, CutSilos, PartDatabase,
    };

    private static readonly string[] AllDrones = ["dr-1", "dr-2", "dr-3"];
    private static readonly string[] Engines = ["dr-2", "dr-3"];
    private static readonly string[] AllProxies = ["px-1", "px-2"];
    private static readonly string[] Everyone = [.. AllDrones, .. AllProxies];

    /// <summary>The name of the way between two controllers.</summary>
    public static string Between(string one, string two) => $"{one}:{two}";

    /// <summary>
    /// Who it may befall, how often it is drawn, and how long it lasts, in lease expiries. Longer than 1 outlives every lease that it touches; a fault of length 0 is over
    /// at once, and what was killed by it starts again.
    /// </summary>
    public static IReadOnlyList<(string Kind, string[] Targets, int Weight, double Shortest, double Longest)> All(Victims victims)
    {
        var guard = victims.Guard;
        string[] silos = [.. Enumerable.Range(1, victims.Controllers).Select(Controller.NameOf)];
        return
        [
            (KillSilo, silos, 3, 0, 0.8),
            (FreezeSilo, silos, 2, 0.1, 1.3),
            (RestartDatabase, ["database"], 2, 0, 0.5),
            (KillDatabase, ["database"], 1, 0, 0.5),
            // Who ends the backends of an agent that is away for longer than a lease is the guard.
            // Without one an agent may not even restart: on a busy machine that takes as long.
            (KillAgent, AllDrones, guard ? 4 : 0, 0, 1.6),
            (FreezeAgent, AllDrones, guard ? 4 : 1, 0.02, guard ? 1.6 : 0.1),
            // Again and again, each time some milliseconds after a client asked for a key of the service, and back at once.
            (KillAgentAtClaim, ["dr-1", "dr-3"], guard ? 3 : 0, 0.3, 1),
            (KillSiloAtClaim, silos, 2, 0.2, 0.6),
            (KillGuard, AllDrones, guard ? 2 : 0, 0, 0),
            (FreezeGuard, AllDrones, guard ? 2 : 0, 0.1, 1.6),
            (KillProxy, AllProxies, 2, 0, 0.4),
            (FreezeProxy, AllProxies, 1, 0.1, 1.2),
            (KillBackend, ["backend"], 3, 0, 0),
            (FreezeBackend, ["backend"], 3, 0.05, 1.6),
            (LogFlood, ["backend"], 2, 0.2, 1.2),
            (Unplug, [.. AllDrones, .. silos, .. AllProxies], 5, 0.1, 2),
            (Deaf, Everyone, 2, 0.1, 1.8),
            (Mute, Everyone, 2, 0.1, 1.8),
            (HoldFrom, Everyone, 2, 0.1, 1.8),
            (HoldTo, Everyone, 2, 0.1, 1.8),
            (SlowStream, Everyone, 3, 0.5, 2),
            (CutStream, Everyone, 3, 0.5, 1.5),
            (KillEngine, Engines, 3, 0, 1.3),
            (FreezeEngine, Engines, 2, 0.1, 1.3),
            (Meddle, Engines, 5, 0.05, 0.8),
            (FullDisk, AllDrones, 3, 0.2, 1.6),
            (StepClock, [.. AllDrones, .. silos], 2, 0, 0),
            (PartDatabase, silos, 2, 0.05, 1),
            .. silos.Length > 1 ? OfSeveral(silos) : [],
        ];
    }

    private static (string, string[], int, double, double)[] OfSeveral(string[] silos)
    {
        string[] pairs = [.. silos.SelectMany((one, i) => silos.Skip(i + 1).Select(two => Between(one, two)))];
        return
        [
            // One alone is what most often happens, and there are more to take from.
            (KillSilo, silos, 3, 0, 0.8),
            (FreezeSilo, silos, 2, 0.1, 1.3),
            (KillSilos, ["controllers"], 1, 0, 0.2),
            (FreezeSilos, ["controllers"], 1, 0.05, 0.6),
            (PartSilos, pairs, 3, 0.1, 1.5),
            (HalfPartSilos, pairs, 3, 0.1, 1.5),
            (SlowSilos, pairs, 2, 0.3, 1.5),
            (CutSilos, pairs, 2, 0.3, 1.5),
        ];
    }
}
