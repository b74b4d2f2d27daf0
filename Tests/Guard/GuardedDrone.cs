using Plane.DroneHost.Guard;
using Plane.DroneHost.Runtimes;
using Plane.Tests.EndToEnd;
using Plane.Tests.Runtimes;
using Plane.Testing;

namespace Plane.Tests.Guard;

/// <summary>One drone of an installation, in a pool of its own: its agent and its guard are programs, which a test kills and stops.</summary>
internal sealed class GuardedDrone : IAsyncDisposable
{
    // Nice= of deploy/systemd/plane-drone.service: a busy machine does not keep an agent from renewing its leases.
    private const int UnitPriority = -10;

    private readonly Installation _plane;
    private readonly TempDirectory _directory = new();
    private readonly int _port = FreePort.Range(20);
    private readonly string _name = $"dr-{Guid.NewGuid():N}"[..16];
    private readonly string _state;

    private GuardedDrone(Installation plane, string? state)
    {
        _plane = plane;
        _state = state ?? _directory["drone.db"];
    }

    public RunningProgram Agent { get; private set; } = null!;

    public RunDirectory Run => new(_directory["run"]);

    public string GuardLog => File.Exists(Run.GuardLog) ? File.ReadAllText(Run.GuardLog) : "(no log of the guard)";

    /// <summary>The guard that is in charge now.</summary>
    public ProcessIdentity Guard => Run.ReadGuard() is { } guard && guard.Process.IsRunning ? guard.Process : default;

    public static async Task<GuardedDrone> StartAsync(Installation plane, string? state = null)
    {
        var drone = new GuardedDrone(plane, state);
        await drone.StartAgentAsync();
        return drone;
    }

    public async Task StartAgentAsync()
    {
        Agent = await _plane.StartAsync(
            _name,
            [
                "drone", "--gateway", _plane.Gateway, "--cluster", _plane.Cluster, "--name", _name, "--pool", _name, "--runtime", "docker,process", "--state", _state,
                "--run-dir", Run.Root, "--process-dir", _directory["processes"], "--port-range", $"{_port}-{_port + 19}", "--docker-host", DockerEngine.Host,
            ],
            priority: UnitPriority);
        await Agent.WaitForLineAsync("^ready drone ");
    }

    /// <summary>SIGKILL. Its exit is waited for and not the end of its output, which the guard may have inherited.</summary>
    public async Task KillAgentAsync()
    {
        Agent.Send(Signal.Kill);
        await Eventually.TrueAsync(() => Agent.HasExited, "the agent is gone");
    }

    /// <summary>A backend of this drone that answers.</summary>
    public async Task<(Connected Connected, BackendIdentity Backend)> ReadyAsync(string kind)
    {
        var request = await Installation.RequestAsync(Guid.NewGuid().ToString("N"), kind == "docker" ? Installation.Containers : Installation.Processes);
        request["spawn_config"]!["pool"] = _name;
        var connected = await _plane.ConnectAsync(request);
        await _plane.WaitForAsync(connected.Backend, "ready");
        return (connected, new BackendIdentity(BackendName.Parse(connected.Backend), new FencingToken(connected.FencingToken)));
    }

    public static async Task<bool> IsRunningAsync(BackendIdentity backend) =>
        ProcessBench.PidsOf(backend).Count > 0 || await (await DockerEngine.SharedAsync()).IsRunningAsync(DockerBench.NameOf(backend));

    /// <summary>The lease as it is on disk.</summary>
    public LeaseFile? Lease(BackendIdentity backend) => LeaseFile.Read(Run.LeaseOf(backend), backend, BootTimeClock.Instance, out _);

    /// <summary>Waits until it no longer runs, and returns the lease clock's reading by which this was seen.</summary>
    public async Task<long> EndedAsync(BackendIdentity backend)
    {
        try
        {
            await Eventually.SeenAsync(async _ => await IsRunningAsync(backend), r => !r, $"{backend.Backend} does not run any more");
            return BootTimeClock.Instance.Milliseconds;
        }
        catch (Xunit.Sdk.FailException e)
        {
            throw new Xunit.Sdk.XunitException($"{e.Message}\nThe guard:\n{GuardLog}\nThe agent:\n{Agent.Transcript()}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        // Nothing of it may outlive the test: the agent first, so that it starts no other guard, then what runs.
        if (!Agent.HasExited)
        {
            Agent.Send(Signal.Kill);
        }

        await Agent.DisposeAsync();
        if (Directory.Exists(Run.Leases))
        {
            foreach (var backend in Directory.EnumerateFiles(Run.Leases).Select(f => Plane.DroneHost.Runtimes.Process.BackendFiles.TryParseName(Path.GetFileName(f))))
            {
                if (backend is { } left)
                {
                    await (await DockerEngine.SharedAsync()).RemoveAsync(DockerBench.NameOf(left));
                    foreach (var pid in ProcessBench.PidsOf(left))
                    {
                        Signals.Send(pid, Signal.Kill);
                    }
                }
            }
        }

        Guard.TrySignal(ProcessIdentity.Kill);
        _directory.Dispose();
    }
}
