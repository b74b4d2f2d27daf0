using Plane.DroneHost.Runtimes;
using Plane.Simulation.Core;
using Plane.Simulation.Judging;

namespace Plane.Simulation.Drones;

/// <summary>One container: the backend itself. It tells the judge when it begins and when it ends.</summary>
internal sealed class Container(BackendIdentity identity, int key, string instance, int machine)
{
    public BackendIdentity Identity { get; } = identity;

    /// <summary>The key that it holds: that of its start until it is claimed.</summary>
    public int Key { get; set; } = key;

    /// <summary>What it was told by a claim.</summary>
    public (int Key, long Token)? Told { get; set; }

    /// <summary>The label: of which drone instance it is.</summary>
    public string Instance { get; } = instance;

    public FoundState State { get; set; } = FoundState.Created;

    public bool WasAsked { get; set; }

    public bool IsRemoved { get; set; }

    public long AnswersAt { get; set; }

    public override string ToString() => $"{Identity.Backend} (key {Key}, token {Identity.Token}, dr-{machine})";
}

/// <summary>What is asked of the runtime.</summary>
internal enum Verb
{
    Create,
    Start,
    Signal,
    Kill,
    Remove,
    List,
}

/// <summary>A call of the runtime under way.</summary>
internal sealed class RuntimeCall(Scheduler scheduler)
{
    public Gate Done { get; } = new(scheduler);

    public bool Succeeded { get; set; }

    /// <summary>The runtime answered that it can't.</summary>
    public bool Refused { get; set; }

    public bool IsOver => Done.IsOpen;

    public List<Container>? Found { get; set; }
}

/// <summary>
/// A container engine: calls take time, are carried out though their caller has died, and fail when the engine does; containers outlive it, and end with the machine.
/// </summary>
internal sealed class ContainerRuntime(World world, Machine machine)
{
    private readonly Dictionary<BackendIdentity, Container> _containers = [];
    private readonly List<(RuntimeCall Call, Gate? Wake)> _underWay = [];
    private Process _process = new("runtime");

    public bool IsUp { get; private set; } = true;

    public long TroubleUntil { get; private set; }

    public RuntimeCall Ask(Verb verb, BackendIdentity identity, int key, string instance, Gate? wake)
    {
        var call = new RuntimeCall(world.Scheduler);
        if (!IsUp)
        {
            call.Done.Open();
            return call;
        }

        _underWay.Add((call, wake));
        world.Scheduler.Start(_process, Carry(call, verb, identity, key, instance, wake), Latency(verb));
        return call;
    }

    public void Down(long until)
    {
        world.Coverage.Count(Seen.RuntimeDown);
        world.Tell(machine.Name, $"runtime is down");
        IsUp = false;
        TroubleUntil = until;
        _process.Kill();
        foreach (var (call, wake) in _underWay)
        {
            call.Done.Open();
            wake?.Pulse();
        }

        _underWay.Clear();
    }

    public void Up()
    {
        if (!IsUp)
        {
            IsUp = true;
            _process = new Process("runtime");
            TroubleUntil = world.Now;
            world.Tell(machine.Name, $"runtime is up");
            machine.Agent?.RuntimeIsBack(_containers.Values);
        }
    }

    /// <summary>The machine stops: whatever runs ends.</summary>
    public void PowerOff()
    {
        if (IsUp)
        {
            Down(world.Now);
        }

        foreach (var container in _containers.Values)
        {
            Stop(container);
        }
    }

    public Container? Find(BackendIdentity identity) => _containers.GetValueOrDefault(identity);

    /// <summary>SIGKILL to the processes themselves, past the engine.</summary>
    public void KillDirectly(BackendIdentity identity)
    {
        if (_containers.TryGetValue(identity, out var container) && container.State == FoundState.Running)
        {
            world.Coverage.Count(Seen.DirectKill);
            Stop(container);
        }
    }

    private void Stop(Container container)
    {
        if (container.State == FoundState.Running)
        {
            container.State = FoundState.Exited;
            world.Judge.Stopped(container);
            world.Tell(machine.Name, $"{container} has ended");
            if (IsUp)
            {
                world.Scheduler.Start(_process, Notify(container.Identity), world.Prng.Between(1, 300));
            }
        }
    }

    private IEnumerator<Wait> Notify(BackendIdentity identity)
    {
        machine.Agent?.Find(identity)?.Exited(null);
        yield break;
    }

    private IEnumerator<Wait> Carry(RuntimeCall call, Verb verb, BackendIdentity identity, int key, string instance, Gate? wake)
    {
        _containers.TryGetValue(identity, out var container);
        switch (verb)
        {
            case Verb.Create when container is null:
                _containers[identity] = new Container(identity, key, instance, machine.Index);
                break;
            case Verb.Create:
            case Verb.Start when container is null or { State: FoundState.Exited }:
                call.Refused = true;
                break;
            case Verb.Start when container.State == FoundState.Created:
                container.State = FoundState.Running;
                world.Tell(machine.Name, $"{container} runs");
                container.AnswersAt = world.Now + world.Prng.Between(20, 3_000);
                world.Judge.Started(container);
                if (world.Prng.Percent(15))
                {
                    world.Scheduler.Start(machine.Hardware, Exit(container), world.Prng.Between(500, 90_000));
                }

                break;
            case Verb.Signal when container is { State: FoundState.Running }:
                container.WasAsked = true;
                world.Coverage.Count(Seen.StopSignal);

                // Some finish what they began, some don't listen.
                if (!world.Prng.Percent(world.Settings.Stubborn))
                {
                    world.Scheduler.Start(machine.Hardware, Exit(container), world.Prng.Between(10, 12_000));
                }

                break;
            case Verb.Kill when container is { State: FoundState.Running }:
                Stop(container);
                break;
            case Verb.Remove when container is not null:
                Stop(container);
                container.IsRemoved = true;
                _containers.Remove(identity);
                break;
            case Verb.List:
                call.Found = [.. _containers.Values];
                break;
            default:
                break;
        }

        // Carried out; the answer takes its own way back, and where the engine dies meanwhile nobody hears of it.
        yield return Wait.For(world.Prng.Between(0, 20));
        call.Succeeded = !call.Refused;
        _underWay.Remove((call, wake));
        call.Done.Open();
        wake?.Pulse();
    }

    private IEnumerator<Wait> Exit(Container container)
    {
        Stop(container);
        yield break;
    }

    private long Latency(Verb verb)
    {
        var slow = world.Settings.SlowRuntime && !world.IsCalm && world.Prng.Percent(15);
        return verb is Verb.Kill or Verb.Signal or Verb.List ? world.Prng.Between(1, slow ? 4_000 : 50) : world.Prng.Between(5, slow ? 9_000 : 300);
    }
}
