using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Plane.DroneHost.Guard;
using Plane.DroneHost.Runtimes;
using Plane.Hosting.Ready;
using Plane.Tests.Drone;
using Plane.Tests.Runtimes;
using Plane.Testing;

namespace Plane.Tests.Guard;

/// <summary>A guard over real runtimes, and an agent of which there is no more than what it wrote.</summary>
internal sealed class GuardBench : IAsyncDisposable
{
    private readonly TempDirectory _directory;
    private readonly List<IHost> _guards = [];
    private readonly Bench _bench;

    private GuardBench(Bench bench, TempDirectory directory, LeaseDirectory leases, IContainerRuntime runtime)
    {
        _bench = bench;
        _directory = directory;
        Leases = leases;
        Runtime = runtime;
    }

    public LeaseDirectory Leases { get; }

    public RunDirectory Directory => Leases.Directory;

    public IContainerRuntime Runtime { get; }

    public Log Log { get; } = new();

    public static long Now => BootTimeClock.Instance.Milliseconds;

    public static async Task<GuardBench> StartAsync(Bench bench, bool withGuard = true, string? dockerHost = null)
    {
        var directory = new TempDirectory();
        var leases = await LeaseDirectory.OpenAsync(
            directory["run"], null, bench.InstanceId, BootTimeClock.Instance, TimeProvider.System, NullLogger.Instance, default);
        if (bench is ProcessBench processes)
        {
            // Where the launcher looks.
            processes.Configure = o => o.EndedDirectory = leases.Directory.Ended;
        }

        var made = new GuardBench(bench, directory, leases, bench.NewRuntime());
        if (withGuard)
        {
            await made.StartGuardAsync(dockerHost);
        }

        return made;
    }

    public async Task StartGuardAsync(string? dockerHost = null)
    {
        var guard = GuardRole.Build(
            new GuardOptions { RunDir = Directory.Root, DockerHost = dockerHost ?? DockerEngine.Host, GoneFor = TimeSpan.FromSeconds(1) },
            builder =>
            {
                builder.Services.AddSingleton<IReadyLine>(new ReadyLine(TextWriter.Null));
                builder.Services.AddSingleton<ILoggerProvider>(Log);
            });
        await guard.StartAsync();
        _guards.Add(guard);
    }

    public async Task StopGuardAsync()
    {
        foreach (var guard in _guards)
        {
            await guard.StopAsync();
            guard.Dispose();
        }

        _guards.Clear();
    }

    public LeaseDeadlines Until(long hard) => new()
    {
        InstanceId = _bench.InstanceId,
        BootId = BootTimeClock.Instance.BootId,
        RenewAt = hard - 2,
        SoftAt = hard - 1,
        HardAt = hard,
    };

    /// <summary>Starts a backend that sleeps, as an agent does, with a lease that ends then.</summary>
    public async Task<BackendIdentity> SleeperAsync(long hard, bool tellProcess = true)
    {
        var start = await _bench.StartOf("exec sleep 600");
        await Runtime.CheckAsync(default);
        Leases.AddPlaces(Runtime.GuardedPlaces);
        Assert.True(Leases.TryProtect(start.Identity, () => Until(hard), Runtime.TargetOf(start.Identity), TimeSpan.FromSeconds(2)));
        var started = await Runtime.StartAsync(start, default);
        Assert.NotNull(started);
        if (tellProcess)
        {
            Leases.SetProcess(start.Identity, started.Pid, started.StartTime);
        }

        return start.Identity;
    }

    public Task<BackendStart> StartOfAsync(string script, Func<bool> mayStart) => _bench.StartOf(script, mayStart);

    public Task<bool> IsRunningAsync(BackendIdentity backend) => _bench.IsRunningAsync(backend);

    public async Task EndedAsync(BackendIdentity backend)
    {
        try
        {
            await Eventually.SeenAsync(async _ => await IsRunningAsync(backend), r => !r, $"{backend.Backend} does not run any more");
        }
        catch (Xunit.Sdk.FailException e)
        {
            throw new Xunit.Sdk.XunitException($"{e.Message}\nThe guard's log:\n{Log}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopGuardAsync();
        Leases.Dispose();
        await _bench.EndAsync();
        Log.Dispose();
        _directory.Dispose();
    }
}
