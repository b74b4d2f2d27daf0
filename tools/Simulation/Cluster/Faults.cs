using Plane.Simulation.Core;
using Plane.Simulation.Judging;

namespace Plane.Simulation.Cluster;

/// <summary>Strikes at random moments until the calm; nothing that it breaks stays broken for longer.</summary>
internal sealed class Faults(World world)
{
    private readonly Process _process = new("faults");

    public void Begin()
    {
        for (var i = 0; i < world.Settings.Faults && world.Settings.Kinds.Count > 0; i++)
        {
            var kind = world.Settings.Kinds[world.Prng.Below(world.Settings.Kinds.Count)];
            world.Scheduler.Start(_process, Strike(kind), world.Prng.Between(3_000, world.Settings.CalmAt - 5_000));
        }
    }

    private IEnumerator<Wait> Strike(int kind)
    {
        var machine = world.Machines[world.Prng.Below(world.Machines.Length)];
        switch (kind)
        {
            case 0:
                machine.CrashAgent(For(50, 2_000, 110_000));
                break;
            case 1:
                machine.StopAgent(For(500, 45_000, 180_000));
                break;
            case 2:
                machine.TroubleGuard(For(500, 20_000, 120_000), kill: world.Prng.Percent(50));
                break;
            case 3:
                machine.RuntimeDown(For(500, 5_000, 90_000));
                break;
            case 4:
                machine.Reboot(For(3_000, 10_000, 90_000));
                break;
            case 5:
            case 6:
                world.Coverage.Count(Seen.Partition);
                var ways = world.Prng.Below(3);
                var until = world.Now + For(2_000, 50_000, 150_000);
                world.Tell(machine.Name, $"is cut off until {until} ({(ways == 0 ? "what it says" : ways == 1 ? "what it hears" : "both ways")})");
                if (ways != 1)
                {
                    machine.Link.UpCutUntil = Math.Max(machine.Link.UpCutUntil, until);
                }

                if (ways != 0)
                {
                    machine.Link.DownCutUntil = Math.Max(machine.Link.DownCutUntil, until);
                }

                break;
            case 7:
                var silo = world.Silos[world.Prng.Below(world.Silos.Length)];
                if (silo.IsUp)
                {
                    silo.Crash();
                    yield return Wait.For(For(300, 5_000, 60_000));
                    silo.Restart();
                }

                break;
            case 8:
                if (world.Database.IsUp)
                {
                    world.Database.Crash();
                    yield return Wait.For(For(300, 3_000, 60_000));
                    world.Database.Restart();
                }

                break;
            case 9:
                world.Database.Process.StoppedUntil = Math.Max(world.Database.Process.StoppedUntil, world.Now + For(500, 10_000, 90_000));
                world.Tell("database", $"is stopped until {world.Database.Process.StoppedUntil}");
                break;
            case 10:
                world.Database.Step(world.Prng.Percent(60) ? world.Settings.StepsForward : -world.Prng.Between(1_000, 90_000));
                break;
            case 11:
                machine.LoseState(For(50, 2_000, 60_000));
                break;
        }
    }

    /// <summary>Mostly short, sometimes long, never beyond the calm.</summary>
    private long For(long least, long usual, long most) =>
        Math.Max(1, Math.Min(world.Prng.Percent(60) ? world.Prng.Between(least, usual) : world.Prng.Between(usual, most), world.Settings.CalmAt - world.Now));
}
