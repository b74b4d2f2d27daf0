using Plane.Chaos.Load;
using Plane.Chaos.Parts;

namespace Plane.Chaos.Faults;

/// <summary>Does what was planned, and undoes it, whatever happens in between.</summary>
internal sealed class FaultInjector(Rig rig, LeaseOptions numbers, Action<string> say, ClaimWatch? claims = null)
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
        await DoAsync(fault, new Random(fault.Seed), () => Task.WhenAny(Task.Delay(fault.Length, TimeProvider.System, cancellationToken)));
        if (fault.Length > TimeSpan.Zero)
        {
            say($"  end of {fault.Kind} {fault.Target}");
        }
    }

    private Task DoAsync(PlannedFault fault, Random random, Func<Task> wait) => fault.Kind switch
    {
        FaultKinds.KillSilo => KillAsync(Controller(fault).Part, wait),
        FaultKinds.KillSilos => Task.WhenAll(rig.Controllers.Select(c => KillAsync(c.Part, wait))),
        FaultKinds.FreezeSilos => Task.WhenAll(rig.Controllers.Select(c => FreezeAsync(c.Part, wait))),
        FaultKinds.RestartDatabase => EndDatabaseAsync(Signal.Quit, wait),
        FaultKinds.KillDatabase => EndDatabaseAsync(Signal.Kill, wait),
        FaultKinds.KillAgent => KillAsync(Drone(fault).Agent, wait),
        FaultKinds.KillAgentAtClaim => KillAtClaimsAsync(Drone(fault).Agent, random, wait()),
        FaultKinds.KillSiloAtClaim => KillAtClaimsAsync(Controller(fault).Part, random, wait()),
        FaultKinds.KillGuard => Kill(Drone(fault).GuardPid()),
        FaultKinds.FreezeGuard => FreezeAsync(Drone(fault).GuardPid(), static _ => true, wait),
        FaultKinds.KillProxy => KillAsync(Proxy(fault).Part, wait),
        FaultKinds.FreezeSilo => FreezeAsync(Controller(fault).Part, wait),
        FaultKinds.FreezeAgent => FreezeAsync(Drone(fault).Agent, wait),
        FaultKinds.FreezeProxy => FreezeAsync(Proxy(fault).Part, wait),
        FaultKinds.FreezeEngine => FreezeAsync(Drone(fault).Engine!.Part, wait),
        FaultKinds.KillEngine => KillEngineAsync(Drone(fault).Engine!, wait),
        FaultKinds.Meddle => new Meddler(Drone(fault).Engine!, random, what => say($"  {what} on {fault.Target}")).DoAsync(wait),
        FaultKinds.KillBackend => Kill(Judges.Pick(random)),
        FaultKinds.LogFlood => new LogFlood(rig, random, what => say($"  {what}")).DoAsync(wait),
        FaultKinds.FreezeBackend => FreezeAsync(Judges.Pick(random), Judges.Is, wait),
        FaultKinds.Unplug => UnplugAsync(rig.NetworkLink(fault.Target), wait),
        FaultKinds.FullDisk => FillDiskAsync(Drone(fault), wait),
        FaultKinds.StepClock => StepClock(fault.Target, random),
        FaultKinds.SlowSilo => SlowDownAsync(Controller(fault).Part, wait()),
        FaultKinds.ClockBack => ShiftClockAsync(fault.Target, TimeSpan.FromSeconds(-random.Next(3_600, 7_200)), wait),
        FaultKinds.ClockAhead => ShiftClockAsync(fault.Target, TimeSpan.FromSeconds(random.Next(3_600, 7_200)), wait),
        FaultKinds.NoDescriptors => Controller(fault).Part.WithoutDescriptorsAsync(wait),
        _ => WeatherAsync(fault, random, wait),
    };

    private async Task EndDatabaseAsync(Signal signal, Func<Task> wait)
    {
        await rig.Database.Part.EndAsync(signal);
        await wait();
        await rig.Database.AgainAsync(CancellationToken.None);
    }

    private static async Task KillEngineAsync(ContainerEngine engine, Func<Task> wait)
    {
        await engine.Part.EndAsync(Signal.Kill);
        await wait();
        engine.Again();
    }

    private static async Task UnplugAsync(NetworkLink cable, Func<Task> wait)
    {
        await cable.PlugAsync(plugged: false);
        await wait();
        await cable.PlugAsync(plugged: true);
    }

    private static async Task FillDiskAsync(Drone drone, Func<Task> wait)
    {
        await drone.FillDiskAsync(full: true);
        await wait();
        await drone.FillDiskAsync(full: false);
    }

    private Task StepClock(string target, Random random)
    {
        var offset = TimeSpan.FromSeconds(random.Next(10, 7_200) * (random.Next(2) == 0 ? 1 : -1));
        say($"  the wall clock of {target} is off by {offset}");
        rig.StepClock(target, offset);
        return Task.CompletedTask;
    }

    private async Task ShiftClockAsync(string target, TimeSpan offset, Func<Task> wait)
    {
        rig.StepClock(target, offset);
        await wait();
        rig.StepClock(target, TimeSpan.Zero);
    }

    private static Task Kill(int? process)
    {
        if (process is { } pid)
        {
            Signals.Send(pid, Signal.Kill);
        }

        return Task.CompletedTask;
    }

    /// <summary>Stops a process for a while, if there is one and it is still the same at the end.</summary>
    private static async Task FreezeAsync(int? process, Func<int, bool> isSame, Func<Task> wait)
    {
        if (process is not { } pid)
        {
            return;
        }

        Signals.Send(pid, Signal.Stop);
        await wait();
        if (isSame(pid))
        {
            Signals.Send(pid, Signal.Continue);
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
    private IReadOnlyList<LinkConditions> Ways(PlannedFault fault, Random random)
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
