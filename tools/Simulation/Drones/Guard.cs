using Plane.DroneHost.Runtimes;
using Plane.Simulation.Core;
using Plane.Simulation.Judging;

namespace Plane.Simulation.Drones;

/// <summary>
/// The guard as docs/guarantees.md has it: hard deadline past, or another boot → the mark, then removal by force in whatever state; no answer within 2 s → SIGKILL to
/// the process, which it finds by what the lease file or the process itself says; again until it has been gone for a minute.
/// </summary>
internal sealed class Guard(World world, Machine machine, Process process)
{
    private const long Tick = 250;
    private const long GoneFor = 60_000;

    private readonly Gate _changed = new(world.Scheduler);
    private readonly HashSet<BackendIdentity> _ending = [];

    public void Begin() => world.Scheduler.Start(process, Watch());

    /// <summary>A lease file was written: in truth the guard reads them all every 250 ms; here it is told when to look again, and looks up to 250 ms later.</summary>
    public void FileChanged() => _changed.Pulse();

    private IEnumerator<Wait> Watch()
    {
        while (true)
        {
            var next = long.MaxValue;
            foreach (var (identity, deadlines) in machine.Run.Leases)
            {
                if (_ending.Contains(identity))
                {
                    continue;
                }

                if (deadlines.BootId != machine.BootId || machine.Milliseconds >= deadlines.HardAt)
                {
                    _ending.Add(identity);
                    world.Scheduler.Start(process, End(identity));
                }
                else
                {
                    next = Math.Min(next, deadlines.HardAt);
                }
            }

            var until = machine.Until(next);
            yield return Wait.On(_changed, until == Wait.Ever ? Wait.Ever : until + world.Prng.Between(0, Tick));
        }
    }

    private IEnumerator<Wait> End(BackendIdentity identity)
    {
        machine.Run.Ended.Add(identity);
        yield return Wait.Step;
        var goneSince = long.MaxValue;
        while (machine.Run.Leases.ContainsKey(identity) && (goneSince == long.MaxValue || world.Now - goneSince < GoneFor))
        {
            if (machine.Runtime.Find(identity) is { State: FoundState.Running })
            {
                world.Coverage.Count(Seen.GuardKill);
                world.Tell(machine.Name, $"guard ends {identity.Backend}");
            }

            var call = machine.Runtime.Ask(Verb.Remove, identity, 0, "", null);
            yield return Wait.On(call.Done, 2_000);
            if (!call.Succeeded)
            {
                machine.Runtime.KillDirectly(identity);
                goneSince = long.MaxValue;
            }
            else if (goneSince == long.MaxValue)
            {
                goneSince = world.Now;
            }

            // While it is gone nothing changes between two looks but what is created in between: it is looked at less often, by far more often than it matters.
            yield return Wait.For(call.Succeeded ? 1_000 : Tick);
        }
    }
}
