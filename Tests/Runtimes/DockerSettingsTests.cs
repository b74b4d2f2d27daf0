using System.Globalization;
using Docker.DotNet;
using Docker.DotNet.Models;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Runtimes.Docker;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

/// <summary>What a container is made of, read back from the engine.</summary>
public sealed class DockerSettingsTests : IAsyncLifetime
{
    private readonly DockerBench _bench = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _bench.EndAsync();

    [Fact]
    public async Task Everything_that_is_always_set_is_seen_in_the_engine()
    {
        var (start, seen) = await StartedAsync(e => e);
        var host = seen.HostConfig!;

        Assert.Equal($"/plane-{start.Identity.Backend}", seen.Name);
        var labels = seen.Config!.Labels;
        Assert.Equal("true", labels["dev.plane.backend"]);
        Assert.Equal(_bench.InstanceId, labels["dev.plane.drone"]);
        Assert.Equal(start.Identity.Backend.Value, labels["dev.plane.backend.name"]);
        Assert.Equal(start.Identity.Token.ToString(), labels["dev.plane.backend.token"]);
        var binding = Assert.Single(host.PortBindings["8080/tcp"]);
        Assert.Equal("127.0.0.1", binding.HostIP);
        Assert.Equal(start.Port.ToString(CultureInfo.InvariantCulture), binding.HostPort);
        Assert.True(host.Init);
        Assert.Equal("no-new-privileges", Assert.Single(host.SecurityOpt));
        Assert.Equal(4096, host.PidsLimit);
        Assert.Equal(RestartPolicyKind.No, host.RestartPolicy.Name);
        Assert.Equal("json-file", host.LogConfig.Type);
        Assert.Equal("10m", host.LogConfig.Config["max-size"]);
        Assert.Equal("3", host.LogConfig.Config["max-file"]);
        Assert.False(host.Privileged);
        Assert.False(host.PublishAllPorts);
    }

    [Fact]
    public async Task Limits_are_seen_in_the_engine()
    {
        var limits = new ResourceLimits { CpuPeriod = 50_000, CpuPeriodPercent = 30, CpuTimeLimit = 100, MemoryLimitBytes = 64 << 20 };
        var (_, seen) = await StartedAsync(e => e with { ResourceLimits = limits });
        var host = seen.HostConfig!;

        Assert.Equal(64 << 20, host.Memory);
        Assert.Equal(50_000, host.CPUPeriod);
        Assert.Equal(15_000, host.CPUQuota);
        var ulimit = Assert.Single(host.Ulimits);
        Assert.Equal("cpu", ulimit.Name);
        Assert.Equal(100, ulimit.Hard);
        Assert.Equal(100, ulimit.Soft);
    }

    [Fact]
    public async Task Requests_are_weights_and_reservations_in_the_engine()
    {
        var (_, seen) = await StartedAsync(e => e with { ResourceRequests = new ResourceRequests { CpuMillis = 500, MemoryBytes = 32 << 20, DiskBytes = 1 } });
        Assert.Equal((512, 32 << 20, 0, 0), (seen.HostConfig!.CPUShares, seen.HostConfig.MemoryReservation, seen.HostConfig.Memory, seen.HostConfig.CPUQuota));

        // Limits alone weigh as before, and what is below the engine's bounds is left out.
        foreach (var (requests, shares) in new (ResourceRequests?, long)[]
        {
            (null, 0), (new ResourceRequests { CpuMillis = 0, MemoryBytes = 0 }, 0), (new ResourceRequests { CpuMillis = 1, MemoryBytes = 1 }, 2),
            (new ResourceRequests { CpuMillis = ResourceRequests.MostCpuMillis }, 262_144),
        })
        {
            var spec = ContainerSpecs.Compose(
                await WithAsync(e => e with { ResourceRequests = requests, ResourceLimits = new ResourceLimits { CpuPeriodPercent = 100_000 } }), Image(), new DockerRuntimeOptions { InstanceId = "i" });
            Assert.Equal((shares, 0), (spec.HostConfig!.CPUShares, spec.HostConfig.MemoryReservation));
        }
    }

    [Fact]
    public async Task The_engine_says_what_its_machine_has()
    {
        var has = await _bench.NewRuntime().ReadResourcesAsync(default);
        var info = await (await DockerEngine.SharedAsync()).Client.System.GetSystemInfoAsync();
        Assert.Equal((info.NCPU * 1_000, info.MemTotal, 0), (has!.CpuMillis, has.MemoryBytes, has.Gpus));
    }

    [Fact]
    public async Task A_percentage_alone_is_of_the_default_period()
    {
        var (_, seen) = await StartedAsync(e => e with { ResourceLimits = new ResourceLimits { CpuPeriodPercent = 150 } });

        Assert.Equal(100_000, seen.HostConfig!.CPUPeriod);
        Assert.Equal(150_000, seen.HostConfig!.CPUQuota);
    }

    [Fact]
    public async Task A_quota_below_the_kernels_least_is_refused_with_both_numbers()
    {
        var failure = await FailsAsync(e => e with { ResourceLimits = new ResourceLimits { CpuPeriod = 1000, CpuPeriodPercent = 50 } });

        Assert.Contains("500 µs", failure, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_operators_settings_are_seen_in_the_engine()
    {
        _bench.Configure = o =>
        {
            o.Runtime = "runc";
            o.PidsLimit = 77;
            o.LogDriver = "local";
            o.LogOptions.Clear();
            o.LogOptions["max-size"] = "1m";
            o.Network = "bridge";
        };
        var (_, seen) = await StartedAsync(e => e);
        var host = seen.HostConfig!;

        Assert.Equal("runc", host.Runtime);
        Assert.Equal(77, host.PidsLimit);
        Assert.Equal("local", host.LogConfig.Type);
        Assert.Equal("1m", host.LogConfig.Config["max-size"]);
        Assert.Equal("bridge", host.NetworkMode);
    }

    [Fact]
    public async Task Gpus_are_asked_for_as_devices()
    {
        // No GPU here: the engine says so at the start, and so must the backend's message.
        var failure = await FailsAsync(e => e with { Gpus = 2 });
        var spec = ContainerSpecs.Compose(await WithAsync(e => e with { Gpus = -1 }), Image(), new DockerRuntimeOptions { InstanceId = "i" });

        Assert.Contains("gpu", failure, StringComparison.Ordinal);
        var request = Assert.Single(spec.HostConfig!.DeviceRequests);
        Assert.Equal(-1, request.Count);
        Assert.Equal("gpu", Assert.Single(Assert.Single(request.Capabilities)));
    }

    [Fact]
    public async Task A_disk_limit_that_the_engine_cannot_set_is_named()
    {
        var spec = ContainerSpecs.Compose(
            await WithAsync(e => e with { ResourceLimits = new ResourceLimits { DiskLimitBytes = 1 << 30 } }), Image(), new DockerRuntimeOptions { InstanceId = "i" });
        Assert.Equal("1073741824", spec.HostConfig!.StorageOpt!["size"]);

        if (await LimitsDisksAsync())
        {
            return;
        }

        var failure = await FailsAsync(e => e with { ResourceLimits = new ResourceLimits { DiskLimitBytes = 1 << 30 } });

        Assert.StartsWith("disk_limit_bytes: ", failure, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("host")]
    [InlineData("Host")]
    [InlineData("none")]
    [InlineData("container:abc")]
    [InlineData("")]
    public async Task Networks_that_undo_the_isolation_are_refused(string network)
    {
        Assert.Contains("must not be used", await FailsAsync(e => e with { NetworkName = network }), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_network_that_does_not_exist_is_named_and_leaves_no_container()
    {
        var start = await WithAsync(e => e with { NetworkName = "no-such-network" });

        var failure = await Assert.ThrowsAsync<RuntimeFailureException>(() => _bench.NewRuntime().StartAsync(start, default));

        Assert.Contains("no-such-network", failure.Message, StringComparison.Ordinal);
        Assert.Null(await (await DockerEngine.SharedAsync()).InspectAsync(DockerBench.NameOf(start.Identity)));
    }

    [Fact]
    public async Task Only_networks_of_the_operators_list_may_be_named()
    {
        _bench.Configure = o => o.AllowedNetworks = ["rooms"];

        Assert.Contains("not among those", await FailsAsync(e => e with { NetworkName = "bridge" }), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("::")]
    [InlineData("localhost")]
    public async Task A_port_is_never_published_on_all_addresses(string ip)
    {
        var start = await WithAsync(e => e) with { Ip = ip };

        await Assert.ThrowsAsync<RuntimeFailureException>(() => _bench.NewRuntime().StartAsync(start, default));
    }

    [Fact]
    public async Task A_command_replaces_the_images_own_and_without_one_the_images_runs()
    {
        var runtime = _bench.NewRuntime();
        var own = await WithAsync(e => e with { Command = null });

        var started = await runtime.StartAsync(own, default);

        using var http = new HttpClient();
        var text = await Eventually.SeenAsync(t => http.GetStringAsync(new Uri($"http://{started!.Address}"), t), s => s.Length > 0, "httpd answers");
        Assert.Contains("busybox", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_that_is_taken_ends_with_a_reason_and_leaves_no_container()
    {
        using var taken = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        var start = await WithAsync(e => e) with { Port = ((System.Net.IPEndPoint)taken.LocalEndpoint).Port };

        var failure = await Assert.ThrowsAsync<RuntimeFailureException>(() => _bench.NewRuntime().StartAsync(start, default));

        Assert.Contains("cannot be started", failure.Message, StringComparison.Ordinal);
        Assert.Null(await (await DockerEngine.SharedAsync()).InspectAsync(DockerBench.NameOf(start.Identity)));
    }

    [Fact]
    public async Task A_program_that_the_image_does_not_have_ends_the_backend()
    {
        var start = await WithAsync(e => e with { Command = ["/no/such/program"] });
        var runtime = _bench.NewRuntime();
        await using var exits = new Exits(runtime);

        await runtime.StartAsync(start, default);

        Assert.Equal(127, (await exits.OfAsync(start.Identity)).ExitCode);
    }

    [Fact]
    public async Task Memory_that_runs_out_is_said()
    {
        var runtime = _bench.NewRuntime();
        await using var exits = new Exits(runtime);

        // The engine learns of an exit and of the limit by two ways, and where the exit comes first it never connects the two: then another one is started.
        var start = await WithAsync(e => e);
        await Eventually.SeenAsync(
            async token =>
            {
                start = await WithAsync(
                    e => e with { ResourceLimits = new ResourceLimits { MemoryLimitBytes = 16 << 20 }, Command = ["/bin/sh", "-c", "exec tail /dev/zero"] });
                await runtime.StartAsync(start, token);
                var exit = await exits.OfAsync(start.Identity);
                Assert.Equal(137, exit.ExitCode);
                return exit.Message;
            },
            message => message?.Contains("memory limit", StringComparison.Ordinal) == true,
            "the memory limit is named as the reason");
        Assert.Contains("memory limit", (await runtime.EnsureGoneAsync(start.Identity, default)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_flooded_log_is_bounded()
    {
        _bench.Configure = o => (o.LogOptions["max-size"], o.LogOptions["max-file"]) = ("200k", "2");
        var (start, seen) = await StartedAsync(e => e with { Command = ["/bin/sh", "-c", "yes 'a line of the flood' | head -c 3000000; echo over; exec sleep 1000"] });
        var runtime = _bench.NewRuntime();
        var log = seen.LogPath;

        // To its end: the engine replaces the files for as long as there is more.
        await Eventually.SeenAsync(
            async _ => await (await DockerEngine.SharedAsync()).LogsAsync(DockerBench.NameOf(start.Identity)), text => text.EndsWith("over\n", StringComparison.Ordinal), "the flood is over");

        var size = Directory.GetFiles(Path.GetDirectoryName(log)!, "*.log*").Sum(f => new FileInfo(f).Length);
        Assert.InRange(size, 1, 600_000);
        Assert.Equal(137, (await runtime.EnsureGoneAsync(start.Identity, default)).ExitCode);
    }

    [Fact]
    public async Task The_images_stop_signal_is_the_one_that_is_sent()
    {
        var engine = await DockerEngine.SharedAsync();
        var image = await DockerImages.BusyboxAsync();
        var id = await engine.RunAsync(image, command: ["/bin/true"]);
        var tag = $"{DockerImages.Repository}:usr1-{_bench.InstanceId}";
        await engine.Client.Images.CommitContainerChangesAsync(new CommitContainerChangesParameters
        {
            ContainerID = id, RepositoryName = DockerImages.Repository, Tag = $"usr1-{_bench.InstanceId}", StopSignal = "SIGUSR1",
        });
        await engine.RemoveAsync(id);
        var start = await WithAsync(e => e with { Image = tag, Command = ["/bin/sh", "-c", "trap 'exit 11' USR1; trap 'exit 12' TERM; while :; do sleep 0.05; done"] });
        var runtime = _bench.NewRuntime();
        await using (var exits = new Exits(runtime))
        {
            await runtime.StartAsync(start, default);
            var seen = exits.OfAsync(start.Identity);
            await Eventually.TrueAsync(
                () =>
                {
                    runtime.SignalStopAsync(start.Identity, default).Wait();
                    return seen.IsCompleted;
                },
                "it stops");
            Assert.Contains((await seen).ExitCode, (int?[])[11, 138]);
        }

        await runtime.EnsureGoneAsync(start.Identity, default);
        await engine.RemoveAsync(DockerBench.NameOf(start.Identity));
        await engine.RemoveImageAsync(tag);
    }

    private static ImageReference Image() => ImageReference.TryParse("a", out var image) ? image : throw new InvalidOperationException();

    private static async Task<bool> LimitsDisksAsync()
    {
        var engine = await DockerEngine.SharedAsync();
        try
        {
            var created = await engine.Client.Containers.CreateContainerAsync(new CreateContainerParameters
            {
                Image = await DockerImages.BusyboxAsync(),
                HostConfig = new HostConfig { StorageOpt = new Dictionary<string, string> { ["size"] = "1073741824" } },
            });
            await engine.RemoveAsync(created.ID);
            return true;
        }
        catch (DockerApiException)
        {
            return false;
        }
    }

    private async Task<BackendStart> WithAsync(Func<Executable, Executable> change)
    {
        var start = await _bench.StartOf("exec sleep 1000");
        return start with { Executable = change(start.Executable) };
    }

    private async Task<(BackendStart Start, ContainerInspectResponse Seen)> StartedAsync(Func<Executable, Executable> change)
    {
        var start = await WithAsync(change);
        Assert.NotNull(await _bench.NewRuntime().StartAsync(start, default));
        return (start, (await (await DockerEngine.SharedAsync()).InspectAsync(DockerBench.NameOf(start.Identity)))!);
    }

    private async Task<string> FailsAsync(Func<Executable, Executable> change)
    {
        var start = await WithAsync(change);
        return (await Assert.ThrowsAsync<RuntimeFailureException>(() => _bench.NewRuntime().StartAsync(start, default))).Message;
    }
}
