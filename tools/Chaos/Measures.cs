using System.Globalization;
using Plane.Chaos.Load;
using Plane.Chaos.Parts;

namespace Plane.Chaos;

/// <summary>The measured scenarios: one thing happens at a time, to a quiet installation, and the time until it is over is printed. The verdict is given too.</summary>
internal sealed class Measures(RunOptions options, int seed, Folder folder, string cgroup, Reporter reporter)
{
    private const int Keys = 6;

    private readonly LeaseOptions _numbers = LeaseOptions.Scaled(options.Scale ?? 1);

    public async Task RunAsync(CancellationToken stop)
    {
        await using var rig = new Rig(folder, _numbers, options.Controllers, new Builds(null, null));
        await rig.StartAsync(cgroup, seed, new HashSet<string>());
        reporter.Say(string.Create(CultureInfo.InvariantCulture, $"everything is ready; a lease expires after {_numbers.Expiry.TotalSeconds:F1} s"));
        using (var log = new RequestLog(folder.Requests))
        {
            using var clients = new Clients(log, rig, Path.Combine(folder.Records, "process"));
            await RestartAsync(rig, clients, kill: false, stop);
            await RestartAsync(rig, clients, kill: true, stop);
            if (rig.Controllers.Count > 1)
            {
                await LoseControllerAsync(rig, clients, stop);
            }

            await DrainAsync(clients, inContainer: false, stop);
            await DrainAsync(clients, inContainer: true, stop);
            await LoseDroneAsync(rig, clients, stop);
        }

        ChaosRun.JudgeFolder(folder, reporter);
    }

    /// <summary>Controllers that restart, one after another: sessions, requests on known routes, connects to whichever controller's turn it is.</summary>
    private async Task RestartAsync(Rig rig, Clients clients, bool kill, CancellationToken stop)
    {
        var how = kill ? "killed and started again" : "restarted";
        await SeeAsync(clients, how, "each controller in turn", async () =>
        {
            foreach (var controller in rig.Controllers)
            {
                var began = BootClock.Now;
                await controller.Part.EndAsync(kill ? Signal.Kill : Signal.Terminate);
                controller.Part.Start();
                var ready = await controller.Part.ReadyAsync(TimeSpan.FromSeconds(60), stop);
                reporter.Say(string.Create(CultureInfo.InvariantCulture, $"{controller.Name} {how}: ready again after {(BootClock.Now - began) / 1e9:F2} s ({ready})"));

                // For the next one, too, there are others by then.
                await Task.Delay(TimeSpan.FromSeconds(5), TimeProvider.System, stop);
            }
        }, stop);
    }

    /// <summary>A controller that is gone, and callers who know it: the others are asked.</summary>
    private async Task LoseControllerAsync(Rig rig, Clients clients, CancellationToken stop)
    {
        var lost = rig.Controllers[0];
        await SeeAsync(clients, "killed, for good", lost.Name, async () =>
        {
            // Not before everybody has the keys that are to be taken over: those that were asked for here live here. What was asked here last has been answered by then.
            clients.Ask(Enumerable.Range(1, rig.Controllers.Count - 1));
            await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, stop);
            await lost.Part.EndAsync(Signal.Kill);
            await Task.Delay(TimeSpan.FromSeconds(15), TimeProvider.System, stop);
        }, stop);
        lost.Part.Start();
        await lost.Part.ReadyAsync(TimeSpan.FromSeconds(60), stop);
        clients.Ask(Enumerable.Range(0, rig.Controllers.Count));
    }

    private async Task SeeAsync(Clients clients, string how, string what, Func<Task> act, CancellationToken stop)
    {
        var tickets = await SpawnAsync(clients, how, inContainer: false, stop);
        var sessions = tickets.Select((t, i) => (new Wish($"{how} {i}"), t)).ToList();
        foreach (var ticket in tickets)
        {
            await clients.VisitAsync(ticket, 0, stop);
        }

        await using var bystanders = new IdleClients(clients, sessions, [0], stop);
        await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, stop);
        await act();
        var seen = await bystanders.EndAsync();
        var ended = 0;
        foreach (var ticket in tickets)
        {
            ended += (await clients.StatusAsync(ticket.Backend, stop)).Status == "ready" ? 0 : 1;
        }

        reporter.Say($"{what} {how}: {ended} of {tickets.Count} sessions ended, {seen}");
    }

    /// <summary>A drain with <c>terminate</c>: each key's way to another drone.</summary>
    private async Task DrainAsync(Clients clients, bool inContainer, CancellationToken stop)
    {
        var label = inContainer ? "drained container" : "drained process";
        var tickets = await SpawnAsync(clients, label, inContainer, stop);
        var drone = inContainer ? "dr-2" : "dr-1";
        var moved = await TimeToMoveAsync(clients, label, inContainer, drone, tickets, async () => await clients.DrainAsync(drone, terminate: true, stop), stop);
        await clients.UndrainAsync(drone, stop);
        reporter.Say(string.Create(
            CultureInfo.InvariantCulture,
            $"drain with terminate ({(inContainer ? "containers" : "processes")}): {moved.Count} keys moved, the slowest after {moved.DefaultIfEmpty(0).Max():F2} s (grace {_numbers.Grace.TotalSeconds:F1} s)"));
    }

    /// <summary>A drone that is gone forever: its cable is pulled.</summary>
    private async Task LoseDroneAsync(Rig rig, Clients clients, CancellationToken stop)
    {
        var tickets = await SpawnAsync(clients, "lost", inContainer: false, stop);
        var drone = rig.Drones[0];
        var moved = await TimeToMoveAsync(clients, "lost", inContainer: false, drone.Name, tickets, () => drone.NetworkLink.PlugAsync(plugged: false), stop);
        reporter.Say(string.Create(
            CultureInfo.InvariantCulture,
            $"drone lost: {moved.Count} keys had again, the slowest after {moved.DefaultIfEmpty(0).Max():F2} s, the fastest after {moved.DefaultIfEmpty(0).Min():F2} s (expiry {_numbers.Expiry.TotalSeconds:F1} s, sweep {_numbers.Sweep.TotalSeconds:F1} s)"));
        await drone.NetworkLink.PlugAsync(plugged: true);
    }

    /// <summary>Does something and asks for the keys of one drone until all are held by others; seconds per key.</summary>
    private async Task<IReadOnlyList<double>> TimeToMoveAsync(
        Clients clients, string label, bool inContainer, string drone, List<Ticket> before, Func<Task> act, CancellationToken stop)
    {
        var there = new List<(string Key, string Backend)>();
        for (var i = 0; i < Keys; i++)
        {
            if (Placed[before[i].Backend] == drone)
            {
                there.Add(($"{label} {i}", before[i].Backend));
            }
        }

        var began = BootClock.Now;
        await act();
        return await Task.WhenAll(there.Select(async held =>
        {
            while (true)
            {
                var (entry, _) = await clients.ConnectAsync(new Wish(held.Key) { InContainer = inContainer }, stop);
                if (entry.Ok && entry.Backend != held.Backend)
                {
                    return (entry.End - began) / 1e9;
                }

                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, stop);
            }
        }));
    }

    private Dictionary<string, string> Placed { get; } = [];

    private async Task<List<Ticket>> SpawnAsync(Clients clients, string label, bool inContainer, CancellationToken stop)
    {
        var tickets = new List<Ticket>();
        for (var i = 0; i < Keys; i++)
        {
            var (entry, ticket) = await clients.ConnectAsync(new Wish($"{label} {i}") { InContainer = inContainer }, stop);
            tickets.Add(ticket ?? throw new InvalidOperationException($"a connect to a quiet installation failed: {entry.Error}"));
            Placed[ticket.Backend] = entry.Drone ?? "";
        }

        foreach (var ticket in tickets)
        {
            while ((await clients.StatusAsync(ticket.Backend, stop)).Status != "ready")
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, stop);
            }
        }

        return tickets;
    }
}
