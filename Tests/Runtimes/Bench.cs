using Microsoft.Extensions.Logging.Abstractions;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Runtimes.Docker;
using Plane.DroneHost.Runtimes.Process;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

/// <summary>One kind of runtime as the conformance suite needs it: runtimes of several "agents", backends by shell script, and an end to all of it.</summary>
public abstract class Bench
{
    private readonly List<IContainerRuntime> _runtimes = [];
    private static long s_token = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();

    public string InstanceId { get; } = $"t-{Guid.NewGuid():N}"[..14];

    public TempDirectory Directory { get; } = new();

    /// <summary>Serves the current directory's (or image's) files over HTTP forever.</summary>
    public abstract string Serve { get; }

    /// <summary>Another agent of the same drone instance, or of another.</summary>
    public IContainerRuntime NewRuntime(string? instanceId = null)
    {
        var runtime = Create(instanceId ?? InstanceId);
        _runtimes.Add(runtime);
        return runtime;
    }

    /// <summary>A backend that runs <paramref name="script"/>.</summary>
    public async Task<BackendStart> StartOf(string script, Func<bool>? mayStart = null, Dictionary<string, string>? env = null) => new()
    {
        Identity = NewIdentity(),
        Key = new KeyConfig { Name = "a room" },
        Executable = (await ExecutableOf(script)) with { Env = env },
        Ip = "127.0.0.1",
        Port = FreePort.Next(),
        Deadlines = InAnHour(),
        MayStart = mayStart ?? (() => true),
    };

    public static BackendIdentity NewIdentity() => new(BackendName.NewRandom(), new FencingToken(Interlocked.Increment(ref s_token)));

    public static LeaseDeadlines InAnHour() => At(BootTimeClock.Instance.Milliseconds + 3_600_000);

    public static LeaseDeadlines At(long soft) =>
        new() { InstanceId = "i", BootId = BootTimeClock.Instance.BootId, RenewAt = soft, SoftAt = soft, HardAt = soft };

    /// <summary>Whether the engine, or the machine, has anything left of it that runs: judged without the runtime's own code.</summary>
    public abstract Task<bool> IsRunningAsync(BackendIdentity backend);

    /// <summary>Ends all that was started. Called by the test class, whose own disposal xunit awaits.</summary>
    public async Task EndAsync()
    {
        Reset();
        await using (var last = Create(InstanceId))
        {
            // Checked, so that it takes the instance's own cgroup with it when it goes last.
            await last.CheckAsync(default);
            foreach (var found in await last.ListAsync(default))
            {
                await last.EnsureGoneAsync(found.Backend, default);
            }

            foreach (var runtime in _runtimes)
            {
                await runtime.DisposeAsync();
            }
        }

        await CleanUpAsync();
        Directory.Dispose();
    }

    protected abstract Task<Executable> ExecutableOf(string script);

    protected abstract IContainerRuntime Create(string instanceId);

    /// <summary>Back to the settings that work: what a test switched off or led astray must not be in the way of cleaning up.</summary>
    protected abstract void Reset();

    protected virtual Task CleanUpAsync() => Task.CompletedTask;
}

public sealed class DockerBench : Bench
{
    public Action<DockerRuntimeOptions> Configure { get; set; } = _ => { };

    public override string Serve => "exec httpd -f -p $PORT -h /www";

    public static string NameOf(BackendIdentity backend) => $"plane-{backend.Backend}";

    public override async Task<bool> IsRunningAsync(BackendIdentity backend) => await (await DockerEngine.SharedAsync()).IsRunningAsync(NameOf(backend));

    protected override void Reset() => Configure = _ => { };

    protected override async Task<Executable> ExecutableOf(string script) =>
        new() { Image = await DockerImages.BusyboxAsync(), Command = ["/bin/sh", "-c", script], PullPolicy = PullPolicy.Never };

    protected override IContainerRuntime Create(string instanceId)
    {
        var options = new DockerRuntimeOptions { Host = DockerEngine.Host, InstanceId = instanceId, MountBase = Directory["mounts"], OutputDirectory = Directory["containers"] };
        Configure(options);
        return new DockerRuntime(options, TimeProvider.System, NullLogger<DockerRuntime>.Instance);
    }

    protected override async Task CleanUpAsync() => await (await DockerEngine.SharedAsync()).RemoveAllAsync($"dev.plane.drone={InstanceId}");
}

public sealed class ProcessBench : Bench
{
    public Action<ProcessRuntimeOptions> Configure { get; set; } = _ => { };

    public override string Serve => "mkdir -p www; [ -e www/index.html ] || echo busybox >www/index.html; exec busybox httpd -f -p 127.0.0.1:$PORT -h www";

    /// <summary>What starts each backend: written by an agent's first call, read at each start.</summary>
    public string LauncherScript => Path.Combine(Directory["processes"], InstanceId, "launcher.sh");

    public string FileOf(BackendIdentity backend, string name) => Path.Combine(Directory["processes"], InstanceId, $"{backend.Backend}.{backend.Token}", name);

    public override Task<bool> IsRunningAsync(BackendIdentity backend) => Task.FromResult(PidsOf(backend).Count > 0);

    /// <summary>Processes that carry the backend's name in their environment.</summary>
    public static IReadOnlyList<int> PidsOf(BackendIdentity backend) =>
    [
        .. System.IO.Directory.GetDirectories("/proc")
            .Select(d => int.TryParse(Path.GetFileName(d), out var pid) ? pid : 0)
            .Where(pid => pid > 1 && Signals.IsAlive(pid) && EnvironmentOf(pid).Contains($"SESSION_BACKEND_ID={backend.Backend}\0", StringComparison.Ordinal)),
    ];

    protected override void Reset() => Configure = _ => { };

    protected override Task<Executable> ExecutableOf(string script) => Task.FromResult(new Executable { Command = ["/bin/sh", "-c", script] });

    protected override IContainerRuntime Create(string instanceId)
    {
        var options = new ProcessRuntimeOptions { Directory = Directory["processes"], InstanceId = instanceId };
        Configure(options);
        return new ProcessRuntime(options, TimeProvider.System, NullLogger<ProcessRuntime>.Instance);
    }

    private static string EnvironmentOf(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/environ");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
