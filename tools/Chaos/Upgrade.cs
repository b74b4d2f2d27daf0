using System.Globalization;
using Plane.Chaos.Load;
using Plane.Chaos.Parts;

namespace Plane.Chaos;

/// <summary>
/// A rolling upgrade with two builds: everything runs the other one, and one program after another is stopped and started again with this one, in an order in which each kind
/// meets newer and older ones of the others, drone and proxy before any controller too. At each step those who have nothing to do with it see nothing of it, and whoever comes
/// is served by every program that is there. At last one controller goes back, on a database that the newer ones have changed.
/// </summary>
internal sealed class Upgrade(RunOptions options, int seed, Folder folder, string cgroup, Reporter reporter)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly LeaseOptions _numbers = LeaseOptions.Scaled(options.Scale ?? 1);
    private readonly Builds _builds = new(options.Other, seed: null);
    private int _failures;
    private int _fresh;

    /// <summary>Whether nobody noticed, and no rule was broken.</summary>
    public async Task<bool> RunAsync(CancellationToken stop)
    {
        await using var rig = new Rig(folder, _numbers, options.Controllers, _builds);
        foreach (var name in rig.Names)
        {
            _builds.Give(name, other: true);
        }

        await rig.StartAsync(cgroup, seed, new HashSet<string>());
        reporter.Say($"everything runs {options.Other}");
        using (var log = new RequestLog(folder.Requests))
        {
            using var clients = new Clients(log, rig, Path.Combine(folder.Records, "process"));
            var sessions = await SpawnAsync(clients, stop);
            await CheckAsync(rig, clients, sessions, "before", stop);
            var silos = rig.Controllers.Select(c => c.Name).ToList();
            foreach (var name in (string[])["dr-3", "px-2", silos[0], "dr-1", "px-1", .. silos[1..], "dr-2"])
            {
                await StepAsync(rig, clients, sessions, name, other: false, stop);
            }

            await StepAsync(rig, clients, sessions, silos[0], other: true, stop);
            await new Ending(folder, _numbers, reporter).RunAsync(clients, [], log, [.. rig.Drones.Select(d => d.Name)], stop);
        }

        Must(rig.Parts.All(p => p.UnexpectedExits == 0), $"ended by themselves: {string.Join(", ", rig.Parts.Where(p => p.UnexpectedExits > 0).Select(p => p.Name))}");
        var held = ChaosRun.JudgeFolder(folder, reporter);
        reporter.Write(_failures == 0 ? "upgrade: nobody noticed" : $"upgrade: {_failures} failures");
        return held && _failures == 0;
    }

    private static async Task<List<(Wish Wish, Ticket Ticket)>> SpawnAsync(Clients clients, CancellationToken stop)
    {
        var sessions = new List<(Wish, Ticket)>();
        for (var i = 0; i < 6; i++)
        {
            var wish = new Wish($"session {i}") { InContainer = i % 2 == 1 };
            var (entry, ticket) = await clients.ConnectAsync(wish, stop);
            sessions.Add((wish, ticket ?? throw new InvalidOperationException($"a connect to a quiet installation failed: {entry.Error}")));
            await clients.BecomesAsync(ticket.Backend, "ready", Patience, stop);
        }

        return sessions;
    }

    private async Task StepAsync(Rig rig, Clients clients, IReadOnlyList<(Wish Wish, Ticket Ticket)> sessions, string name, bool other, CancellationToken stop)
    {
        var part = rig.Parts.Single(p => p.Name == name || p.Name == $"drone-{name}");
        var isSilo = rig.Controllers.Any(c => c.Name == name);
        int[] proxies = [.. rig.Proxies.Select((p, i) => (p.Name, i)).Where(p => p.Name != name).Select(p => p.i)];
        foreach (var proxy in proxies)
        {
            foreach (var (_, ticket) in sessions)
            {
                await clients.VisitAsync(ticket, proxy, stop);
            }
        }

        await using var bystanders = new IdleClients(clients, sessions, proxies, stop);
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System, stop);
        _builds.Give(name, other);
        var began = BootClock.Now;
        await part.EndAsync(Signal.Terminate);
        part.Start();
        Must(await part.ReadyAsync(Patience, stop), $"{name} is not ready again:\n{part.Tail()}");
        reporter.Say(string.Create(CultureInfo.InvariantCulture, $"{name} is {(other ? "the other" : "this")} build now, ready after {(BootClock.Now - began) / 1e9:F1} s"));
        await CheckAsync(rig, clients, sessions, $"after {name}", stop);
        var seen = await bystanders.EndAsync();
        reporter.Say($"  {seen}");

        // One controller alone is away while it restarts; with several, a client's single retry finds another.
        Must(seen is { FailedVisits: 0, BrokenStreams: 0 } && (seen.Uncured == 0 || (isSilo && rig.Controllers.Count == 1)), $"{name}: {seen}");
    }

    /// <summary>Whoever comes is served: by each controller, for a key that is held and for a new one of each kind, over each proxy.</summary>
    private async Task CheckAsync(Rig rig, Clients clients, IReadOnlyList<(Wish Wish, Ticket Ticket)> sessions, string when, CancellationToken stop)
    {
        for (var silo = 0; silo < rig.Controllers.Count; silo++)
        {
            foreach (var (wish, ticket) in sessions)
            {
                var (entry, again) = await clients.ConnectAsync(wish, stop, silo);
                Must(again?.Backend == ticket.Backend, $"{when}: {wish.Key} is {again?.Backend ?? entry.Error}, was {ticket.Backend}");
                for (var proxy = 0; proxy < rig.Proxies.Count && again is not null; proxy++)
                {
                    var visit = await clients.VisitAsync(again, proxy, stop);
                    Must(visit.Ok, $"{when}: {wish.Key} over {rig.Proxies[proxy].Name}: {visit.Error}");
                }
            }
        }

        // Each drone in turn must take one: the two others are draining, ordered through whichever controller's turn it is.
        foreach (var drone in rig.Drones)
        {
            foreach (var idle in rig.Drones.Where(d => d != drone))
            {
                Must((await clients.DrainAsync(idle.Name, terminate: false, stop)).Ok, $"{when}: {idle.Name} does not drain");
            }

            foreach (var runtime in drone.Runtime.Split(','))
            {
                await NewAsync(rig, clients, drone.Name, runtime, when, stop);
            }

            foreach (var idle in rig.Drones.Where(d => d != drone))
            {
                Must((await clients.UndrainAsync(idle.Name, stop)).Ok, $"{when}: {idle.Name} drains on");
            }
        }
    }

    private async Task NewAsync(Rig rig, Clients clients, string drone, string runtime, string when, CancellationToken stop)
    {
        for (var silo = 0; silo < rig.Controllers.Count; silo++)
        {
            var (entry, ticket) = await clients.ConnectAsync(new Wish($"new {++_fresh}") { InContainer = runtime == "docker", RequestId = $"{_fresh}" }, stop, silo);
            Must(entry is { Ok: true, Spawned: true } && entry.Drone == drone, $"{when}: a new key on {drone}: {entry.Error ?? entry.Drone}");
            if (ticket is null)
            {
                continue;
            }

            Must(await clients.BecomesAsync(ticket.Backend, "ready", Patience, stop), $"{when}: {ticket.Backend} on {drone} is not ready");
            for (var proxy = 0; proxy < rig.Proxies.Count; proxy++)
            {
                var visit = await clients.VisitAsync(ticket, proxy, stop);
                Must(visit.Ok, $"{when}: {ticket.Backend} on {drone} over {rig.Proxies[proxy].Name}: {visit.Error}");
            }

            Must((await clients.TerminateAsync(ticket.Backend, hard: false, stop)).Ok, $"{when}: {ticket.Backend} is not told to end");
            Must(await clients.BecomesAsync(ticket.Backend, "terminated", Patience, stop), $"{when}: {ticket.Backend} on {drone} does not end");
        }
    }

    private void Must(bool held, string what)
    {
        if (!held)
        {
            _failures++;
            reporter.Say($"FAILED {what}");
        }
    }
}
