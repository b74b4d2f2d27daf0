using Plane.Simulation.Cluster;
using Plane.Simulation.Core;
using Plane.Simulation.Judging;

namespace Plane.Simulation.Drones;

/// <summary>A drone's machine: its clock, disk, run directory, container engine, agent and guard. Agent and guard are not in trouble at the same time.</summary>
internal sealed class Machine : ILeaseClock
{
    private readonly World _world;
    private readonly double _rate;
    private readonly long _uptimeAtStart;
    private long _bootedAt;
    private int _boots;
    private int _instances;
    private long _guardTroubleUntil;
    private long _agentTroubleUntil;
    private long _orphansUntil;

    public Machine(World world, int index)
    {
        _world = world;
        Index = index;
        Name = $"dr-{index}";
        _rate = Settings.Rate(world.Prng);
        _uptimeAtStart = world.Prng.Between(0, 100_000);
        ActionQueued = new Gate(world.Scheduler);
        State = new StateFile($"{Name}.i0");
        Hardware = new Process(Name);
        Runtime = new ContainerRuntime(world, this);
        AgentProcess = GuardProcess = new Process("none");
        GuardProcess.Kill();
        BootId = "";
        Boot();
        world.Store.ActionQueued += drone =>
        {
            if (drone == index)
            {
                ActionQueued.Pulse();
            }
        };
    }

    public int Index { get; }

    public string Name { get; }

    public Link Link { get; } = new();

    public StateFile State { get; private set; }

    public RunDirectory Run { get; private set; } = new();

    public ContainerRuntime Runtime { get; }

    public Gate ActionQueued { get; }

    /// <summary>Dies with a reboot.</summary>
    public Process Hardware { get; private set; }

    public Process AgentProcess { get; private set; }

    public Process GuardProcess { get; private set; }

    public Agent? Agent { get; private set; }

    public Guard? Guard { get; private set; }

    public string BootId { get; private set; }

    public bool IsOn => !Hardware.IsDead;

    /// <summary><c>CLOCK_BOOTTIME</c> of this machine.</summary>
    public long Milliseconds => _uptimeAtStart + (long)((_world.Now - _bootedAt) * _rate);

    /// <summary>How long in true time until the clock shows a reading.</summary>
    public long Until(long reading)
    {
        var ahead = reading - Milliseconds;
        return reading == long.MaxValue || ahead > 100_000_000 ? Wait.Ever : ahead <= 0 ? 0 : (long)(ahead / _rate) + 1;
    }

    /// <summary>When in true time the clock showed a reading of the past.</summary>
    public long TrueTimeOf(long reading) => _world.Now - (long)((Milliseconds - reading) / _rate);

    // ---- faults ----

    public void CrashAgent(long awayFor)
    {
        if (!IsOn || GuardIsInTrouble || AgentProcess.IsDead)
        {
            return;
        }

        _world.Coverage.Count(Seen.AgentCrash);
        _world.Tell(Name, $"agent is killed");
        AgentProcess.Kill();
        Agent = null;
        _agentTroubleUntil = Math.Max(_agentTroubleUntil, _world.Now + awayFor);
        if (_world.Has(Bug.NoGuard) && !GuardProcess.IsDead)
        {
            GuardProcess.Kill();
            Later(awayFor, StartGuard);
        }

        Later(awayFor, StartAgent);
    }

    public void StopAgent(long length)
    {
        if (!IsOn || GuardIsInTrouble || AgentProcess.IsDead)
        {
            return;
        }

        _world.Coverage.Count(Seen.AgentStopped);
        _world.Tell(Name, $"agent is stopped for {length} ms");
        AgentProcess.StoppedUntil = Math.Max(AgentProcess.StoppedUntil, _world.Now + length);
        AgentProcess.TroubleUntil = Math.Max(AgentProcess.TroubleUntil, AgentProcess.StoppedUntil);
        _agentTroubleUntil = Math.Max(_agentTroubleUntil, AgentProcess.StoppedUntil);
    }

    public void TroubleGuard(long length, bool kill)
    {
        if (!IsOn || AgentIsInTrouble || GuardIsInTrouble || !Runtime.IsUp || _world.Now < Runtime.TroubleUntil + 5_000)
        {
            return;
        }

        _world.Coverage.Count(Seen.GuardTrouble);
        _world.Tell(Name, $"guard is {(kill ? "killed" : "stopped")} for {length} ms");
        _guardTroubleUntil = _world.Now + length + 1_000;
        if (kill)
        {
            GuardProcess.Kill();
            Later(length, StartGuard);
        }
        else
        {
            GuardProcess.StoppedUntil = _world.Now + length;
        }
    }

    public void RuntimeDown(long length)
    {
        // A start whose answer is lost leaves a process that only the guard can find.
        if (IsOn && Runtime.IsUp && !GuardIsInTrouble)
        {
            Runtime.Down(_world.Now + length);
            Later(length, Runtime.Up);
        }
    }

    public void Reboot(long offFor)
    {
        if (!IsOn)
        {
            return;
        }

        _world.Coverage.Count(Seen.Reboot);
        _world.Tell(Name, $"reboots");
        Hardware.Kill();
        AgentProcess.Kill();
        GuardProcess.Kill();
        Agent = null;
        Runtime.PowerOff();
        Run = new RunDirectory();
        _world.Scheduler.Start(new Process(Name), After(Boot), offFor);
    }

    /// <summary>The disk is replaced while the agent is down: a new instance under the old name, which knows nothing.</summary>
    public void LoseState(long awayFor)
    {
        CrashAgent(awayFor);
        if (Agent is null && AgentProcess.IsDead && IsOn)
        {
            _world.Coverage.Count(Seen.StateLost);
            _world.Tell(Name, $"state file is lost");
            State = new StateFile($"{Name}.i{++_instances}");

            // What the lost instance ran has no agent any more: only the guard ends it.
            _orphansUntil = _world.Now + (long)_world.Numbers.Expiry.TotalMilliseconds + 5_000;
        }
    }

    /// <summary>An agent that the controller refuses goes, and is started again by the service manager.</summary>
    public void AgentGaveUp()
    {
        AgentProcess.Kill();
        Agent = null;
        _agentTroubleUntil = Math.Max(_agentTroubleUntil, _world.Now + 2_000);
        Later(2_000, StartAgent);
    }

    private bool GuardIsInTrouble => !_world.Has(Bug.NoGuard) && (_world.Now < _guardTroubleUntil || GuardProcess.IsDead);

    private bool AgentIsInTrouble =>
        _world.Now < Math.Max(_orphansUntil, Math.Max(_agentTroubleUntil, AgentProcess.TroubleUntil) + 1_000) || AgentProcess.IsDead;

    private void Boot()
    {
        _bootedAt = _world.Now - (_boots == 0 ? 0 : _uptimeAtStart);
        BootId = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Name}.b{_boots++}");
        Hardware = new Process(Name);
        _guardTroubleUntil = 0;
        Runtime.Up();
        StartGuard();
        Later(_world.Prng.Between(0, 2_000), StartAgent);
    }

    private void StartAgent()
    {
        if (!AgentProcess.IsDead && Agent is not null)
        {
            return;
        }

        AgentProcess = new Process($"{Name} agent")
        {
            StallsPerMillion = _world.Settings.AgentStalls,

            // While the guard is away the agent is all there is.
            LongestStall = now => now < _guardTroubleUntil && !_world.Has(Bug.NoGuard) ? 300 : long.MaxValue,
            TroubleUntil = _world.Now,
        };
        Agent = new Agent(_world, this, AgentProcess);
        Agent.Begin();
    }

    private void StartGuard()
    {
        GuardProcess = new Process($"{Name} guard") { StallsPerMillion = _world.Settings.AgentStalls, LongestStall = static _ => 500 };
        Guard = new Guard(_world, this, GuardProcess);
        Guard.Begin();
    }

    /// <summary>Something that happens to this boot of the machine.</summary>
    private void Later(long after, Action action) => _world.Scheduler.Start(Hardware, After(action), after);

    private static IEnumerator<Wait> After(Action action)
    {
        action();
        yield break;
    }
}
