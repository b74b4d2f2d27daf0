using Plane.Chaos.Load;
using Plane.Chaos.Parts;

namespace Plane.Chaos.Faults;

/// <summary>Does what was planned, and undoes it, whatever happens in between.</summary>
internal sealed class FaultHand(Rig rig, LeaseNumbers numbers, Action<string> say, ClaimWatch? claims = null)
{
    public async Task RunAsync(IReadOnlyList<PlannedFault> plan, CancellationToken cancellationToken)
    {
        var began = TimeProvider.System.GetTimestamp();
        var active = new List<Task>();
        try
        {
            foreach (var fault in plan)
            {
                var wait = fault.At - TimeProvider.System.GetElapsedTime(began);
                if (wait > TimeSpan.Zero)
                {
                    await Task.Delay(wait, TimeProvider.System, cancellationToken);
                }

                active.Add(DoAsync(fault, cancellationToken));
            }
        }
        finally
        {
            await Task.WhenAll(active);
        }
    }

    /// <summary>Does one, waits for as long as it is to last, and undoes it.</summary>
    public async Task DoAsync(PlannedFault fault, CancellationToken cancellationToken)
    {
        say(fault.ToString());
        Task WaitAsync() => Task.WhenAny(Task.Delay(fault.Length, TimeProvider.System, cancellationToken));
        var random = new Random(fault.Seed);
        switch (fault.Kind)
        {
            case FaultKinds.KillSilo:
                await KillAsync(Controller(fault).Part, WaitAsync);
                break;
            case FaultKinds.KillSilos:
                await Task.WhenAll(rig.Controllers.Select(c => KillAsync(c.Part, WaitAsync)));
                break;
            case FaultKinds.FreezeSilos:
                await Task.WhenAll(rig.Controllers.Select(c => FreezeAsync(c.Part, WaitAsync)));
                break;
            case FaultKinds.RestartDatabase or FaultKinds.KillDatabase:
                await rig.Database.Part.EndAsync(fault.Kind == FaultKinds.KillDatabase ? Signal.Kill : Signal.Quit);
                await WaitAsync();
                await rig.Database.AgainAsync(CancellationToken.None);
                break;
            case FaultKinds.KillAgent:
                await KillAsync(Drone(fault).Agent, WaitAsync);
                break;
            case FaultKinds.KillAgentAtClaim:
                await KillAtClaimsAsync(Drone(fault).Agent, random, WaitAsync());
                break;
            case FaultKinds.KillSiloAtClaim:
                await KillAtClaimsAsync(Controller(fault).Part, random, WaitAsync());
                break;
            case FaultKinds.KillGuard:
                if (Drone(fault).GuardPid() is { } killedGuard)
                {
                    Signals.Send(killedGuard, Signal.Kill);
                }

                break;
            case FaultKinds.FreezeGuard:
                if (Drone(fault).GuardPid() is { } frozenGuard)
                {
                    Signals.Send(frozenGuard, Signal.Stop);
                    await WaitAsync();
                    Signals.Send(frozenGuard, Signal.Continue);
                }

                break;
            case FaultKinds.KillProxy:
                await KillAsync(Proxy(fault).Part, WaitAsync);
                break;
            case FaultKinds.FreezeSilo:
                await FreezeAsync(Controller(fault).Part, WaitAsync);
                break;
            case FaultKinds.FreezeAgent:
                await FreezeAsync(Drone(fault).Agent, WaitAsync);
                break;
            case FaultKinds.FreezeProxy:
                await FreezeAsync(Proxy(fault).Part, WaitAsync);
                break;
            case FaultKinds.FreezeEngine:
                await FreezeAsync(Drone(fault).Engine!.Part, WaitAsync);
                break;
            case FaultKinds.KillEngine:
                await Drone(fault).Engine!.Part.EndAsync(Signal.Kill);
                await WaitAsync();
                Drone(fault).Engine!.Again();
                break;
            case FaultKinds.Meddle:
                await new Meddler(Drone(fault).Engine!, random, what => say($"  {what} on {fault.Target}")).DoAsync(WaitAsync);
                break;
            case FaultKinds.KillBackend:
                if (Judges.Pick(random) is { } killed)
                {
                    Signals.Send(killed, Signal.Kill);
                }

                break;
            case FaultKinds.LogFlood:
                await new LogFlood(rig, random, what => say($"  {what}")).DoAsync(WaitAsync);
                break;
            case FaultKinds.FreezeBackend:
                if (Judges.Pick(random) is { } frozen)
                {
                    Signals.Send(frozen, Signal.Stop);
                    await WaitAsync();
                    if (Judges.Is(frozen))
                    {
                        Signals.Send(frozen, Signal.Continue);
                    }
                }

                break;
            case FaultKinds.Unplug:
                await rig.Cable(fault.Target).PlugAsync(plugged: false);
                await WaitAsync();
                await rig.Cable(fault.Target).PlugAsync(plugged: true);
                break;
            case FaultKinds.FullDisk:
                await Drone(fault).FillDiskAsync(full: true);
                await WaitAsync();
                await Drone(fault).FillDiskAsync(full: false);
                break;
            case FaultKinds.StepClock:
                var offset = TimeSpan.FromSeconds(random.Next(10, 7_200) * (random.Next(2) == 0 ? 1 : -1));
                say($"  the wall clock of {fault.Target} is off by {offset}");
                rig.StepClock(fault.Target, offset);
                break;
            case FaultKinds.SlowSilo:
                await SlowDownAsync(Controller(fault).Part, WaitAsync());
                break;
            case FaultKinds.ClockBack or FaultKinds.ClockAhead:
                rig.StepClock(fault.Target, TimeSpan.FromSeconds(random.Next(3_600, 7_200) * (fault.Kind == FaultKinds.ClockBack ? -1 : 1)));
                await WaitAsync();
                rig.StepClock(fault.Target, TimeSpan.Zero);
                break;
            case FaultKinds.NoDescriptors:
                await Controller(fault).Part.WithoutDescriptorsAsync(WaitAsync);
                break;
            default:
                await WeatherAsync(fault, random, WaitAsync);
                break;
        }

        if (fault.Length > TimeSpan.Zero)
        {
            say($"  end of {fault.Kind} {fault.Target}");
        }
    }

    private async Task WeatherAsync(PlannedFault fault, Random random, Func<Task> wait)
    {
        var ways = Ways(fault, random);
        var oneWay = random.Next(2) == 0;
        foreach (var weather in ways)
        {
            switch (fault.Kind)
            {
                case FaultKinds.Deaf:
                    weather.LoseDown = true;
                    break;
                case FaultKinds.Mute:
                    weather.LoseUp = true;
                    break;
                case FaultKinds.HoldFrom:
                    weather.Hold(up: false, down: true);
                    break;
                case FaultKinds.HoldTo:
                    weather.Hold(up: true, down: false);
                    break;
                case FaultKinds.PartSilos when oneWay:
                    (weather.LoseUp, weather.LoseDown) = (true, true);
                    break;
                case FaultKinds.PartSilos or FaultKinds.PartDatabase:
                    weather.Hold(up: true, down: true);
                    break;
                case FaultKinds.HalfPartSilos:
                    weather.Hold(up: oneWay, down: !oneWay);
                    break;
                case FaultKinds.SlowStream:
                    weather.Delay = numbers.RenewalCall * 1.5;
                    break;
                case FaultKinds.SlowSilos:
                    // Around what a probe may take.
                    weather.Delay = TimeSpan.FromSeconds(1.5);
                    break;
                case FaultKinds.CutStream or FaultKinds.CutSilos:
                    weather.Cut = 0.03;
                    break;
                default:
                    throw new InvalidOperationException($"nobody knows how to do {fault.Kind}");
            }
        }

        await wait();
        foreach (var weather in ways)
        {
            weather.Clear();
        }
    }

    /// <summary>All of the target's ways of the kind, or one of those to the controllers.</summary>
    private IReadOnlyList<Weather> Ways(PlannedFault fault, Random random)
    {
        if (rig.Between.TryGetValue(fault.Target, out var between))
        {
            return [between];
        }

        if (fault.Kind == FaultKinds.PartDatabase)
        {
            return [Controller(fault).ToDatabase];
        }

        var all = rig.ToControllers[fault.Target];
        var drawn = random.Next(all.Count * 2);
        if (all.Count == 1 || drawn >= all.Count)
        {
            return all;
        }

        say($"  on the way to {rig.Controllers[drawn].Name}");
        return [all[drawn]];
    }

    private static async Task KillAsync(Part part, Func<Task> wait)
    {
        await part.EndAsync(Signal.Kill);
        await wait();
        part.Start();
    }

    /// <summary>A claim takes some milliseconds from the request to the backend's answer: a kill may come before, between or after any two of its steps.</summary>
    private async Task KillAtClaimsAsync(Part part, Random random, Task over)
    {
        while (claims is not null && !over.IsCompleted)
        {
            await Task.WhenAny(claims.Next, over);
            await Task.WhenAny(Task.Delay(TimeSpan.FromMilliseconds(random.Next(0, 60)), TimeProvider.System), over);
            if (!over.IsCompleted)
            {
                await KillAsync(part, static () => Task.CompletedTask);
                await Task.WhenAny(Task.Delay(TimeSpan.FromSeconds(4 + (2 * random.NextDouble())), TimeProvider.System), over);
            }
        }
    }

    private static async Task FreezeAsync(Part part, Func<Task> wait)
    {
        part.Freeze();
        await wait();
        part.Thaw();
    }

    /// <summary>It runs for a tenth of the time, in slices: as on a machine that swaps, or beyond its share of the processors.</summary>
    private static async Task SlowDownAsync(Part part, Task over)
    {
        while (!over.IsCompleted)
        {
            part.Freeze();
            await Task.Delay(TimeSpan.FromMilliseconds(180), TimeProvider.System);
            part.Thaw();
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }
    }

    private Controller Controller(PlannedFault fault) => rig.Controllers.Single(c => c.Name == fault.Target);

    private Drone Drone(PlannedFault fault) => rig.Drones.Single(d => d.Name == fault.Target);

    private Proxy Proxy(PlannedFault fault) => rig.Proxies.Single(p => p.Name == fault.Target);
}
