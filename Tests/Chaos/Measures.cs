using System.Globalization;
using Plane.Chaos.Load;
using Plane.Chaos.Parts;

namespace Plane.Chaos;

/// <summary>The measured scenarios: one thing happens at a time, to a quiet installation, and the time until it is over is printed. The verdict is given too.</summary>
internal sealed class Measures(RunOptions options, int seed, Folder folder, string cgroup, Reporter reporter)
{
    private const int Keys = 6;

    private readonly LeaseNumbers _numbers = LeaseNumbers.Scaled(options.Scale ?? 1);

    public async Task RunAsync(CancellationToken stop)
    {
        await using var rig = new Rig(folder, _numbers, options.Controllers);
        await rig.StartAsync(cgroup, seed, new HashSet<string>());
        reporter.Say(string.Create(CultureInfo.InvariantCulture, $"everything is ready; a lease expires after {_numbers.Expiry.TotalSeconds:F1} s"));
        using (var log = new RequestLog(folder.Requests))
        {
            using var clients = new Clients(log, rig, Path.Combine(folder.Records, "process"));
            await RestartAsync(rig, clients, kill: false, stop);
            await RestartAsync(rig, clients, kill: true, stop);
            await DrainAsync(clients, inContainer: false, stop);
            await DrainAsync(clients, inContainer: true, stop);
            await LoseDroneAsync(rig, clients, stop);
        }

        ChaosRun.JudgeFolder(folder, reporter);
    }

    /// <summary>A controller that restarts: sessions, requests on known routes, connects.</summary>
    private async Task RestartAsync(Rig rig, Clients clients, bool kill, CancellationToken stop)
    {
        var tickets = await SpawnAsync(clients, $"{(kill ? "killed" : "restarted")}", inContainer: false, stop);
        foreach (var ticket in tickets)
        {
            await clients.VisitAsync(ticket, 0, stop);
        }

        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var streams = tickets.Select(t => clients.StreamAsync(t, 0, TimeSpan.FromSeconds(20), stop)).ToList();
        var failedVisits = 0;
        var visits = 0;
        long firstFailure = 0, lastFailure = 0, worst = 0;
        async Task VisitAsync()
        {
            for (var i = 0; !over.IsCancellationRequested; i++)
            {
                visits++;
                failedVisits += (await clients.VisitAsync(tickets[i % tickets.Count], 0, stop)).Ok ? 0 : 1;
                await Task.WhenAny(Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, over.Token));
            }
        }

        async Task ConnectAsync()
        {
            while (!over.IsCancellationRequested)
            {
                var (entry, _) = await clients.ConnectAsync(new Wish($"{(kill ? "killed" : "restarted")} 0"), stop);
                if (!entry.Ok)
                {
                    firstFailure = firstFailure == 0 ? entry.Start : firstFailure;
                    lastFailure = entry.End;
                }

                worst = Math.Max(worst, entry.Ok ? entry.End - entry.Start : 0);
                await Task.WhenAny(Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, over.Token));
            }
        }

        var visiting = VisitAsync();
        var connecting = ConnectAsync();
        await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, stop);
        var began = BootClock.Now;
        await rig.Controllers[0].Part.EndAsync(kill ? Signal.Kill : Signal.Terminate);
        rig.Controllers[0].Part.Start();
        var ready = await rig.Controllers[0].Part.ReadyAsync(TimeSpan.FromSeconds(60), stop);
        var restarted = BootClock.Now;
        await Task.Delay(TimeSpan.FromSeconds(5), TimeProvider.System, stop);
        await over.CancelAsync();
        await Task.WhenAll(visiting, connecting);
        var broken = (await Task.WhenAll(streams)).Count(ok => !ok);
        var ended = 0;
        foreach (var ticket in tickets)
        {
            ended += (await clients.StatusAsync(ticket.Backend, stop)).Status == "ready" ? 0 : 1;
        }

        reporter.Say(string.Create(
            CultureInfo.InvariantCulture,
            $"controller {(kill ? "killed and started again" : "restarted")}: ready again after {(restarted - began) / 1e9:F2} s ({ready}); connects failed for {Math.Max(0, lastFailure - firstFailure) / 1e9:F2} s; {ended} of {tickets.Count} sessions ended, {broken} of {streams.Count} open WebSockets broke, {failedVisits} of {visits} requests on known routes failed"));
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

    /// <summary>A drone that is gone for ever: its cable is pulled.</summary>
    private async Task LoseDroneAsync(Rig rig, Clients clients, CancellationToken stop)
    {
        var tickets = await SpawnAsync(clients, "lost", inContainer: false, stop);
        var drone = rig.Drones[0];
        var moved = await TimeToMoveAsync(clients, "lost", inContainer: false, drone.Name, tickets, () => drone.Cable.PlugAsync(plugged: false), stop);
        reporter.Say(string.Create(
            CultureInfo.InvariantCulture,
            $"drone lost: {moved.Count} keys had again, the slowest after {moved.DefaultIfEmpty(0).Max():F2} s, the fastest after {moved.DefaultIfEmpty(0).Min():F2} s (expiry {_numbers.Expiry.TotalSeconds:F1} s, sweep {_numbers.Sweep.TotalSeconds:F1} s)"));
        await drone.Cable.PlugAsync(plugged: true);
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
