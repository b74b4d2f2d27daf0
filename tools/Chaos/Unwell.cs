using System.Globalization;
using Plane.Chaos.Faults;
using Plane.Chaos.Load;
using Plane.Chaos.Parts;
using Plane.Chaos.Verdict;

namespace Plane.Chaos;

/// <summary>
/// One controller of several is unwell, and nothing else is. For each fault: (1) the load continues calmly until everything is well; (2) probes begin: connects to held keys at the other controllers,
/// each followed by the first request with its token, requests on known routes beside them, and questions for the victim's health; (3) the fault comes and goes; (4) probes continue until
/// the victim is healthy again. What they saw is judged by <see cref="Patience"/>.
/// </summary>
internal sealed class Unwell(Rig rig, LeaseOptions numbers, Clients clients, LoadGenerator crowd, FaultInjector hand, RequestLog log, Reporter reporter)
{
    private const int Keys = 4;

    private static readonly TimeSpan s_settleLimit = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan s_recoveryLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_quick = TimeSpan.FromMilliseconds(500);

    public async Task RunAsync(IReadOnlyList<PlannedFault> plan, CancellationToken stop)
    {
        foreach (var fault in plan)
        {
            crowd.IsCalm = true;
            if (await SettleAsync(stop) is { } known)
            {
                await WindowAsync(fault, known, stop);
            }
            else
            {
                reporter.Say($"{fault} is left out: not everything was well within {s_settleLimit.TotalSeconds:F0} s");
            }

            clients.Ask(Enumerable.Range(0, rig.Controllers.Count));
            crowd.IsCalm = false;
        }
    }

    private async Task WindowAsync(PlannedFault fault, IReadOnlyList<Ticket> known, CancellationToken stop)
    {
        var victim = rig.Controllers.Find(c => c.Name == fault.Target)!;
        clients.Ask(Enumerable.Range(0, rig.Controllers.Count).Where(i => rig.Controllers[i] != victim));
        var window = new Entry { Op = Ops.Window, Key = fault.Kind, Start = BootClock.Now, End = 0, Utc = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() };
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task[] probing = [.. rig.Proxies.Select((_, i) => ProbeAsync(i, enough.Token, stop)), .. rig.Proxies.Select((_, i) => VisitKnownAsync(known, i, enough.Token, stop))];
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System, stop);

        var began = BootClock.Now;
        var over = hand.DoAsync(fault, stop);
        while (!over.IsCompleted)
        {
            await Task.WhenAny(over, AskHealthAsync(victim, stop));
        }

        await over;
        var ended = BootClock.Now;
        log.Add(new Entry { Op = Ops.Fault, Key = fault.Kind, Controller = fault.Target, Start = began, End = ended });

        // One that was declared dead finds out only now that it continues, and is started again.
        var since = TimeProvider.System.GetTimestamp();
        await Task.Delay(numbers.Expiry * 0.5, TimeProvider.System, stop);
        while (!await AskHealthAsync(victim, stop) && TimeProvider.System.GetElapsedTime(since) < s_recoveryLimit)
        {
        }

        await enough.CancelAsync();
        await Task.WhenAll(probing);
        log.Add(window with { End = BootClock.Now });
        reporter.Say(string.Create(CultureInfo.InvariantCulture, $"  {fault.Target} is asked no more {TimeProvider.System.GetElapsedTime(since).TotalSeconds:F1} s after the end"));
    }

    /// <summary>Connects to held keys at the controllers that are well, and makes the first request with each token.</summary>
    private async Task ProbeAsync(int proxy, CancellationToken enough, CancellationToken stop)
    {
        for (var turn = 0; !enough.IsCancellationRequested; turn++)
        {
            var (_, ticket) = await clients.ConnectAsync(Wish((turn + proxy) % Keys) with { Probe = Probes.Held }, stop, turn);
            if (ticket is not null)
            {
                await clients.VisitAsync(ticket, proxy, stop, Probes.First);
            }

            await Task.WhenAny(Task.Delay(TimeSpan.FromMilliseconds(150), TimeProvider.System, enough));
        }
    }

    private async Task VisitKnownAsync(IReadOnlyList<Ticket> known, int proxy, CancellationToken enough, CancellationToken stop)
    {
        for (var turn = 0; !enough.IsCancellationRequested; turn++)
        {
            await clients.VisitAsync(known[turn % known.Count], proxy, stop, Probes.Known);
            await Task.WhenAny(Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, enough));
        }
    }

    private async Task<bool> AskHealthAsync(Controller controller, CancellationToken stop)
    {
        var answer = await clients.HealthAsync(controller, stop);
        await Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System, stop);
        return answer.Ok;
    }

    /// <summary>Waits until everything is well and answers quickly over each proxy; the tickets that it was seen with, or null where that took too long.</summary>
    private async Task<IReadOnlyList<Ticket>?> SettleAsync(CancellationToken stop)
    {
        var began = TimeProvider.System.GetTimestamp();
        for (var quick = 0; TimeProvider.System.GetElapsedTime(began) < s_settleLimit; await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, stop))
        {
            if (!await AreWellAsync(stop))
            {
                quick = 0;
                continue;
            }

            var tickets = new List<Ticket>();
            var turnBegan = TimeProvider.System.GetTimestamp();
            for (var i = 0; i < Keys; i++)
            {
                var (entry, ticket) = await clients.ConnectAsync(Wish(i), stop);
                if (ticket is not null && (await clients.VisitAsync(ticket, 0, stop)).Ok && (await clients.VisitAsync(ticket, 1, stop)).Ok && !entry.Spawned)
                {
                    tickets.Add(ticket);
                }
            }

            quick = tickets.Count == Keys && TimeProvider.System.GetElapsedTime(turnBegan) < s_quick * Keys ? quick + 1 : 0;
            if (quick == 5)
            {
                return tickets;
            }
        }

        return null;
    }

    private async Task<bool> AreWellAsync(CancellationToken stop)
    {
        var healthy = await Task.WhenAll(rig.Controllers.Select(c => clients.HealthAsync(c, stop)));
        return healthy.All(h => h.Ok) && await clients.ReadyDronesAsync(stop) == rig.Drones.Count;
    }

    /// <summary>Keys of these probes alone: no other client ends their backends.</summary>
    private static Wish Wish(int number) => new(string.Create(CultureInfo.InvariantCulture, $"steady {number}")) { InContainer = number % 2 == 1 };
}
