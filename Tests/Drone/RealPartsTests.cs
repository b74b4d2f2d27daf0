using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Plane.DroneHost;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.State;
using Plane.Hosting.Cluster;
using Plane.Hosting.Ready;
using Plane.Tests.Grains;
using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>The agent over the real engine, grains, store and process runtime: no double anywhere.</summary>
public sealed class RealPartsTests : IAsyncLifetime, IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly Log _log = new();
    private GrainCluster _plane = null!;
    private ClusterName _cluster;
    private DroneOptions _options = null!;
    private IHost? _host;

    private DurableState State => _host!.Services.GetRequiredService<DurableState>();

    public async Task InitializeAsync()
    {
        // Long enough for a busy machine, short enough to see a lease through.
        _plane = await GrainCluster.StartAsync(On.Sqlite, LeaseOptions.Scaled(0.2) with { HeartbeatFresh = TimeSpan.FromMinutes(1) });
        _cluster = _plane.NewCluster();
        var port = FreePort.Range(10);
        _options = new DroneOptions
        {
            Cluster = _cluster.Value,
            StateFile = _directory["drone.db"],
            RunDir = _directory["guard"],
            Runtime = "process",
            PortFrom = port,
            PortTo = port + 9,
            ListenHintAfter = TimeSpan.FromMilliseconds(100),
        };
        await StartAgentAsync();
    }

    public async Task DisposeAsync()
    {
        if (_host is not null)
        {
            _options.EndBackendsOnStop = true;
            await StopAgentAsync();
        }

        await _plane.DisposeAsync();
    }

    public void Dispose()
    {
        _directory.Dispose();
        _log.Dispose();
    }

    [Fact]
    public async Task A_connect_starts_a_process_and_a_terminate_ends_it()
    {
        var backend = await ConnectAsync();
        var details = await ReachesAsync(backend, BackendStatus.Ready);
        using var http = new HttpClient();
        using var answer = await http.GetAsync(new Uri($"http://{details.Address}/"));
        var process = await ProcessAsync(backend);

        Assert.Equal(ChangeOutcome.Changed, await _plane.Backend(backend).Terminate(TerminationKind.Soft));

        var ended = await ReachesAsync(backend, BackendStatus.Terminated);
        Assert.False(ended.HoldsKey);
        Assert.Equal(TerminationReason.External, ended.History[^1].TerminationReason);
        Assert.False(process.IsRunning);
    }

    [Fact]
    public async Task A_backend_outlives_its_agent_and_its_lease_goes_on_under_the_next()
    {
        var backend = await ConnectAsync();
        await ReachesAsync(backend, BackendStatus.Ready);
        var process = await ProcessAsync(backend);
        var before = (await _plane.Backend(backend).Describe())!.LeaseExpiresAt;

        await StopAgentAsync();
        Assert.True(process.IsRunning);
        await StartAgentAsync();

        await Eventually.SeenAsync(
            async c => (await _plane.Backend(backend).Describe(c))!.LeaseExpiresAt, e => e > before, $"the lease is prolonged; log:\n{_log}");
        Assert.Equal(process, await ProcessAsync(backend));
        Assert.True(process.IsRunning);
        Assert.Equal(BackendStatus.Ready, (await _plane.Backend(backend).Describe())!.Status);
    }

    [Fact]
    public async Task A_backend_whose_renewal_is_prevented_ends_within_a_lease()
    {
        var backend = await ConnectAsync();
        await ReachesAsync(backend, BackendStatus.Ready);
        var process = await ProcessAsync(backend);

        Assert.Equal(ChangeOutcome.Changed, await _plane.Backend(backend).PreventRenewal());

        var ended = await ReachesAsync(backend, BackendStatus.Terminated);
        Assert.Equal(TerminationReason.KeyExpired, ended.History[^1].TerminationReason);
        Assert.False(process.IsRunning);
    }

    [Fact]
    public async Task A_process_that_exits_releases_its_key()
    {
        var backend = await ConnectAsync("--exit-after-ms=300", "--exit-code=7");

        var ended = await ReachesAsync(backend, BackendStatus.Terminated);

        Assert.Equal(7, ended.ExitCode);
        Assert.Null(ended.History[^1].TerminationReason);
        Assert.False(ended.HoldsKey);
    }

    [Fact]
    public async Task A_program_that_has_the_port_of_a_backend_does_not_make_it_ready()
    {
        var backend = await SpawnAsync("sleep", "1000");
        var address = IPEndPoint.Parse((await ReachesAsync(backend, BackendStatus.Waiting)).Address!);
        using var other = new TcpListener(address);
        other.Start();
        for (var probes = 0; probes < 3; probes++)
        {
            using var connection = await other.AcceptTcpClientAsync();
            await connection.GetStream().WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8.ToArray());
        }

        var details = await Eventually.SeenAsync(
            async c => (await _plane.Backend(backend).Describe(c))!, d => d.Message?.Contains("Another program", StringComparison.Ordinal) == true, $"its message says so; log:\n{_log}");

        Assert.Equal(BackendStatus.Waiting, details.Status);
        Assert.Contains($"Another program listens on {address}. It listens on no port.", details.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_process_that_fails_is_known_by_its_last_words()
    {
        var backend = await SpawnAsync("/bin/sh", "-c", "echo no such file >&2; exit 3");

        var ended = await ReachesAsync(backend, BackendStatus.Terminated);

        Assert.Equal((3, "It exited before it was ready.", "no such file"), (ended.ExitCode, ended.Message, ended.OutputTail));
    }

    private async Task StartAgentAsync()
    {
        _host = DroneRole.Build(
            _options,
            b => b.Services.AddSingleton(new ClusterConnection(_plane.SiloServices.GetRequiredService<IClusterClient>())),
            b =>
            {
                b.Services.AddSingleton<ILoggerProvider>(_log);
                b.Services.AddSingleton<IReadyLine>(new ReadyLine(TextWriter.Null));
            });
        await _host.StartAsync();
        await Eventually.EndsAsync(_host.Services.GetRequiredService<DroneStatus>().WhenReady, "the drone is ready");
    }

    private async Task StopAgentAsync()
    {
        await _host!.StopAsync();
        _host.Dispose();
        _host = null;
    }

    private Task<BackendIdentity> ConnectAsync(params string[] arguments) => SpawnAsync([.. DockerImages.BackendCommand(arguments)]);

    private async Task<BackendIdentity> SpawnAsync(params string[] command)
    {
        var spawn = new SpawnConfig { Executable = new Executable { Command = command } };
        return (await _plane.ConnectedAsync(Commands.Connect(Commands.NewKey(), _cluster, spawn))).Identity;
    }

    private Task<BackendDetails> ReachesAsync(BackendIdentity backend, BackendStatus status) => Eventually.SeenAsync(
        async c => (await _plane.Backend(backend).Describe(c))!, d => d.Status == status, $"{backend.Backend} reaches {status}");

    /// <summary>The launcher's process, as the state file has it.</summary>
    private Task<ProcessIdentity> ProcessAsync(BackendIdentity backend) => Eventually.SeenAsync(
        async _ => (await State.ReadBackendsAsync()).Single(r => r.Identity == backend) is { Pid: { } pid, StartTime: { } start }
            ? new ProcessIdentity(pid, start)
            : default,
        p => p.Pid > 0,
        "the process is in the state file");
}
