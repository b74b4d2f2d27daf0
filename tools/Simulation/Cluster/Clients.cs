using System.Globalization;
using Plane.Simulation.Core;
using Plane.Simulation.Judging;

namespace Plane.Simulation.Cluster;

/// <summary>Users who connect to the same few keys, and operators who end, drain and withdraw; at the end they end all that is left.</summary>
internal sealed class Clients(World world)
{
    private readonly Process _process = new("clients");
    private readonly Link _link = new();
    private long _commands;

    public void Begin()
    {
        for (var key = 0; key < world.Settings.Keys; key++)
        {
            for (var i = 0; i < world.Settings.ClientsPerKey; i++)
            {
                world.Scheduler.Start(_process, Use(key), world.Prng.Between(500, 8_000));
            }
        }

        world.Scheduler.Start(_process, Close(), world.Settings.CalmAt);
    }

    private IEnumerator<Wait> Use(int key)
    {
        while (!world.IsCalm)
        {
            // A number beyond those named is a connect as well.
            var what = world.Prng.Below(world.Settings.IsLongLived ? 200 : 20);
            switch (what < 20 ? what : 0)
            {
                case < 13:
                    yield return Wait.Run(Connect(key, spawn: true));
                    break;
                case < 15:
                    yield return Wait.Run(Connect(key, spawn: false));
                    break;
                case < 18:
                    if (world.Store.Key(key) is { } held)
                    {
                        yield return Wait.Run(Terminate(held.Backend, world.Prng.Percent(75) ? TerminationKind.Soft : TerminationKind.Hard));
                    }

                    break;
                case 18:
                    if (world.Store.Key(key) is { } k)
                    {
                        world.Coverage.Count(Seen.Prevented);
                        var request = world.Network.Ask<Done>(_link, (silo, answer) => silo.Prevent(k.Backend, answer));
                        yield return Wait.On(request.Answered, 10_000);
                    }

                    break;
                default:
                    yield return Wait.Run(Drain(world.Prng.Below(world.Machines.Length)));
                    break;
            }

            yield return Wait.For(world.Prng.Between(50, world.Settings.IdleBetween));
        }
    }

    private IEnumerator<Wait> Connect(int key, bool spawn)
    {
        var command = ++_commands;
        var chosen = world.Settings.ChosenIds && world.Prng.Percent(80);
        var name = BackendName.Parse(chosen
            ? string.Create(CultureInfo.InvariantCulture, $"own-{key}")
            : string.Create(CultureInfo.InvariantCulture, $"b{command}"));
        world.Judge.NoteExpired();
        var askedAt = world.Now;
        for (var attempt = 0; attempt < 3; attempt++)
        {
            var request = world.Network.Ask<Connection>(_link, (silo, answer) => silo.Connect(key, name, chosen, command, spawn, answer));
            yield return Wait.On(request.Answered, 15_000);
            if (request.Answer is { } connection)
            {
                if (connection.Holder is { } holder)
                {
                    world.Judge.Connected(holder, key, askedAt);
                }
                else
                {
                    world.Coverage.Count(Seen.ConnectRefused);
                }

                yield break;
            }

            yield return Wait.For(500);
        }
    }

    private IEnumerator<Wait> Terminate(BackendName backend, TerminationKind kind)
    {
        world.Coverage.Count(Seen.Terminate);
        world.Tell("client", $"asks to end {backend}: {kind}");
        var request = world.Network.Ask<Done>(_link, (silo, answer) => silo.Terminate(backend, kind, answer));
        yield return Wait.On(request.Answered, 10_000);
    }

    private IEnumerator<Wait> Drain(int drone)
    {
        world.Coverage.Count(Seen.Drain);
        var terminate = world.Prng.Percent(50);
        var request = world.Network.Ask<Done>(_link, (silo, answer) => silo.Drain(drone, true, terminate, answer));
        yield return Wait.On(request.Answered, 10_000);
        yield return Wait.For(world.Prng.Between(1_000, 20_000));
        request = world.Network.Ask<Done>(_link, (silo, answer) => silo.Drain(drone, false, false, answer));
        yield return Wait.On(request.Answered, 10_000);
    }

    private IEnumerator<Wait> Close()
    {
        var quiet = 0;
        while (quiet < 3)
        {
            yield return Wait.For(5_000);
            quiet = world.Store.Backends.Any(b => b.Lives) || world.Judge.Running.Any() ? 0 : quiet + 1;
            foreach (var backend in world.Store.Backends.Where(b => b.Lives).ToList())
            {
                yield return Wait.Run(Terminate(backend.Name, TerminationKind.Soft));
            }
        }

        world.IsOver = true;
    }
}
