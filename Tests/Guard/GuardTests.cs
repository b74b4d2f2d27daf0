using Docker.DotNet.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Plane.DroneHost.Guard;
using Plane.DroneHost.Runtimes;
using Plane.Files;
using Plane.Hosting.Running;
using Plane.Tests.Drone;
using Plane.Tests.Runtimes;
using Plane.Testing;

namespace Plane.Tests.Guard;

/// <summary>The guard alone: there is no agent to help it.</summary>
public sealed class GuardTests
{
    private const long Hour = 3_600_000;

    public static TheoryData<string> Kinds => new("docker", "process");

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task It_ends_what_has_passed_its_hard_deadline_and_nothing_else(string kind)
    {
        await using var bench = await GuardBench.StartAsync(BenchOf(kind), withGuard: false);
        var prolonged = await bench.SleeperAsync(GuardBench.Now + Hour);
        var due = await bench.SleeperAsync(GuardBench.Now + Hour);
        var hard = GuardBench.Now + 3_000;
        Expire(bench, prolonged, hard);
        Expire(bench, due, hard);
        await bench.StartGuardAsync();
        bench.Leases.Prolong(prolonged, bench.Until(GuardBench.Now + Hour + 60_000));
        var ranBefore = await bench.IsRunningAsync(due) || GuardBench.Now >= hard;

        await bench.EndedAsync(due);

        Assert.True(bench.Leases.IsEnded(due));
        Assert.True(ranBefore && GuardBench.Now >= hard, "it ended before its deadline");
        Assert.True(await bench.IsRunningAsync(prolonged));
        Assert.False(bench.Leases.IsEnded(prolonged));

        bench.Leases.Release(due);
        await Eventually.TrueAsync(() => !bench.Leases.IsEnded(due), "the mark goes with the lease");
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task An_agent_that_stood_still_between_its_look_and_its_start_starts_nothing(string kind)
    {
        await using var bench = await GuardBench.StartAsync(BenchOf(kind));
        BackendIdentity backend = default;
        var looks = 0;
        var start = await bench.StartOfAsync("exec sleep 600", () =>
        {
            // It looked, all was well; then it stands still until the guard has seen to it.
            SpinWait.SpinUntil(() => bench.Log.Contains($"{backend.Backend} is gone"), TimeSpan.FromSeconds(90));
            return looks++ == 0;
        });
        backend = start.Identity;
        Assert.True(bench.Leases.TryProtect(backend, () => bench.Until(GuardBench.Now + 500), bench.Runtime.TargetOf(backend), TimeSpan.FromSeconds(2)));

        // The process's launcher looks once more, by itself, and finds the mark.
        var started = await bench.Runtime.StartAsync(start with { Deadlines = bench.Until(GuardBench.Now + Hour) }, default);

        Assert.True(looks > 0, "the agent looked");
        Assert.Null(started);
        Assert.False(await bench.IsRunningAsync(backend));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Where_the_engine_is_silent_the_process_is_killed(bool isProcessKnown)
    {
        await using var engine = await EngineProxy.StartAsync();
        engine.Hold = "";
        await using var bench = await GuardBench.StartAsync(new DockerBench(), dockerHost: engine.Host);
        var due = await bench.SleeperAsync(GuardBench.Now + Hour, isProcessKnown);
        var other = await bench.SleeperAsync(GuardBench.Now + Hour);
        await bench.StopGuardAsync();
        Expire(bench, due, GuardBench.Now);

        await bench.StartGuardAsync(engine.Host);

        await bench.EndedAsync(due);
        Assert.True(await bench.IsRunningAsync(other));
    }

    [Fact]
    public async Task An_engine_that_is_away_is_logged_once_over_a_backend_and_not_at_every_attempt()
    {
        var asked = 0;
        await using var engine = new FakeEngine(_ =>
        {
            Interlocked.Increment(ref asked);
            return FakeEngine.Json(503, """{"message":"shutting down: for the test"}""");
        });
        await using var bench = await GuardBench.StartAsync(new DockerBench(), withGuard: false);
        var due = await bench.SleeperAsync(GuardBench.Now + Hour);
        Expire(bench, due, GuardBench.Now);

        await bench.StartGuardAsync(engine.Host);
        await bench.EndedAsync(due);
        await Eventually.TrueAsync(() => Volatile.Read(ref asked) > 20, "it has tried again and again");

        Assert.Equal(1, bench.Log.Count("does not confirm its end: The Docker engine"));
        Assert.True(bench.Log.Contains("shutting down: for the test"), "the cause is logged");
    }

    [Fact]
    public async Task Files_that_tell_nothing_end_their_backend_and_disturb_nothing_else()
    {
        await using var bench = await GuardBench.StartAsync(new ProcessBench(), withGuard: false);
        var healthy = await bench.SleeperAsync(GuardBench.Now + Hour);
        var foreign = await bench.SleeperAsync(GuardBench.Now + Hour);
        var whole = await File.ReadAllTextAsync(bench.Directory.LeaseOf(healthy));
        var damaged = new Dictionary<BackendIdentity, string>();
        foreach (var damage in (Func<string, BackendIdentity, string>[])
            [
                (_, _) => "",
                (text, _) => text[..(text.Length / 2)],
                (_, _) => new string('x', 100_000),
                (_, _) => whole,
                (text, _) => text.Replace(BootTimeClock.Instance.BootId, "another-boot", StringComparison.Ordinal),
                (text, id) => text.Replace($"\"hard_at\":{bench.Leases.Find(id)!.HardAt}", "\"hard_at\":9223372036854775807", StringComparison.Ordinal),
            ])
        {
            var backend = await bench.SleeperAsync(GuardBench.Now + Hour);
            damaged[backend] = damage(await File.ReadAllTextAsync(bench.Directory.LeaseOf(backend)), backend);
        }

        foreach (var (backend, text) in damaged)
        {
            await File.WriteAllTextAsync(bench.Directory.LeaseOf(backend), text);
        }

        var theirs = bench.Leases.Find(foreign)! with { Instance = "di-another", HardAt = GuardBench.Now - 1, SoftAt = GuardBench.Now - 1, RenewAt = 0 };
        await File.WriteAllBytesAsync(bench.Directory.LeaseOf(foreign), theirs.ToBytes());
        await File.WriteAllTextAsync(Path.Combine(bench.Directory.Leases, "README"), "no lease");

        await bench.StartGuardAsync();

        foreach (var backend in damaged.Keys)
        {
            await bench.EndedAsync(backend);
            Assert.True(bench.Leases.IsEnded(backend));
        }

        Assert.True(await bench.IsRunningAsync(healthy));
        Assert.True(await bench.IsRunningAsync(foreign));
        Assert.False(bench.Leases.IsEnded(foreign));
        Assert.True(bench.Log.Contains("di-another"), "it says whose the lease is");
        Assert.True(bench.Log.Contains("README in the run directory is not a lease file"), "it says what it can't read");
    }

    [Fact]
    public async Task A_container_of_another_drone_under_the_same_name_is_left_alone()
    {
        await using var bench = await GuardBench.StartAsync(new DockerBench(), withGuard: false);
        var ours = await bench.SleeperAsync(GuardBench.Now + Hour);
        var engine = await DockerEngine.SharedAsync();
        var labels = new Dictionary<string, string>
        {
            ["dev.plane.backend"] = "true", ["dev.plane.drone"] = "di-another", ["dev.plane.backend.name"] = ours.Backend.Value, ["dev.plane.backend.token"] = ours.Token.ToString(),
        };
        var theirs = await engine.RunAsync(await DockerImages.BusyboxAsync(), command: ["sleep", "600"], labels: labels);
        try
        {
            Expire(bench, ours, GuardBench.Now);
            await bench.StartGuardAsync();

            await bench.EndedAsync(ours);
            await Eventually.TrueAsync(() => bench.Log.Contains($"{ours.Backend} is gone"), "it has looked again");

            Assert.True(await engine.IsRunningAsync(theirs));
        }
        finally
        {
            await engine.RemoveAsync(theirs);
        }
    }

    [Theory]
    [InlineData("docker", true)]
    [InlineData("docker", false)]
    [InlineData("process", true)]
    [InlineData("process", false)]
    public async Task What_runs_without_a_lease_is_ended(string kind, bool hasAgent)
    {
        await using var bench = await GuardBench.StartAsync(BenchOf(kind));
        var supervised = await bench.SleeperAsync(GuardBench.Now + Hour);
        var ended = await bench.SleeperAsync(GuardBench.Now + Hour);
        if (!hasAgent)
        {
            bench.Leases.Dispose();
        }

        bench.Leases.Release(ended);

        await bench.EndedAsync(ended);
        if (kind == "docker")
        {
            var engine = await DockerEngine.SharedAsync();
            await Eventually.SeenAsync(async _ => await engine.InspectAsync(DockerBench.NameOf(ended)), container => container is null, "it is removed");
        }

        Assert.True(await bench.IsRunningAsync(supervised));
    }

    [Fact]
    public async Task Processes_whose_files_are_gone_too_are_ended_by_their_cgroup()
    {
        var processes = new ProcessBench();
        await using var bench = await GuardBench.StartAsync(processes);
        var backend = await bench.SleeperAsync(GuardBench.Now + Hour);
        bench.Leases.Dispose();
        Directory.Delete(processes.FileOf(backend, "").TrimEnd('/'), recursive: true);

        bench.Leases.Release(backend);

        await bench.EndedAsync(backend);
    }

    [Fact]
    public async Task Processes_of_an_instance_that_is_not_the_drones_are_left_alone()
    {
        await using var bench = await GuardBench.StartAsync(new ProcessBench());
        var other = new ProcessBench();
        try
        {
            var runtime = other.NewRuntime();
            var start = await other.StartOf("exec sleep 600");
            Assert.NotNull(await runtime.StartAsync(start, default));

            // Its places stand there, as of an instance that supervises its backends elsewhere by now.
            bench.Directory.AddPlaces(other.InstanceId, runtime.GuardedPlaces);
            var ours = await bench.SleeperAsync(GuardBench.Now + Hour);
            bench.Leases.Release(ours);
            await bench.EndedAsync(ours);

            Assert.True(await other.IsRunningAsync(start.Identity));
        }
        finally
        {
            await other.EndAsync();
        }
    }

    [Fact]
    public async Task A_renamed_container_is_ended_at_its_deadline()
    {
        await using var bench = await GuardBench.StartAsync(new DockerBench(), withGuard: false);
        var due = await bench.SleeperAsync(GuardBench.Now + Hour, tellProcess: false);
        var engine = await DockerEngine.SharedAsync();
        await engine.Client.Containers.RenameContainerAsync(DockerBench.NameOf(due), new ContainerRenameParameters { NewName = $"x-{due.Backend}" });
        Expire(bench, due, GuardBench.Now);

        await bench.StartGuardAsync();

        await Eventually.SeenAsync(async _ => await engine.InspectAsync($"x-{due.Backend}"), container => container is null, "it is removed");
    }

    [Fact]
    public async Task A_run_directory_that_somebody_emptied_costs_no_session()
    {
        await using var bench = await GuardBench.StartAsync(new DockerBench());
        var healthy = await bench.SleeperAsync(GuardBench.Now + Hour);
        var stray = await bench.SleeperAsync(GuardBench.Now + Hour);
        Directory.Delete(bench.Directory.Leases, recursive: true);

        // As the agent does every second.
        bench.Leases.RetryFailed();
        bench.Leases.Release(stray);

        await bench.EndedAsync(stray);
        Assert.True(File.Exists(bench.Directory.LeaseOf(healthy)));
        Assert.True(await bench.IsRunningAsync(healthy));
    }

    [Fact]
    public async Task What_a_guard_has_begun_to_end_the_next_goes_on_to_end()
    {
        await using var bench = await GuardBench.StartAsync(new ProcessBench(), withGuard: false);
        var backend = await bench.SleeperAsync(GuardBench.Now + Hour);
        await File.WriteAllTextAsync(bench.Directory.MarkOf(backend), "");

        await bench.StartGuardAsync();

        await bench.EndedAsync(backend);
    }

    [Fact]
    public async Task A_directory_has_one_guard()
    {
        await using var bench = await GuardBench.StartAsync(new ProcessBench());

        var refused = await Assert.ThrowsAsync<StartRefusedException>(() => bench.StartGuardAsync());

        Assert.Contains("another guard runs in", refused.Message, StringComparison.Ordinal);
    }

    /// <summary>Its supervisor was begun and has not come to writing it: without the file nobody would end the backend, were the agent to die now.</summary>
    [Fact]
    public async Task The_lease_of_an_adopted_backend_is_no_left_over_before_its_supervisor_writes_it()
    {
        using var directory = new TempDirectory();
        Task<LeaseDirectory> OpenAsync() => LeaseDirectory.OpenAsync(
            directory["run"], null, "di-one", BootTimeClock.Instance, TimeProvider.System, NullLogger.Instance, default);
        var (led, over) = (FakeController.NewIdentity(), FakeController.NewIdentity());
        using (var before = await OpenAsync())
        {
            foreach (var backend in (BackendIdentity[])[led, over])
            {
                var deadlines = new LeaseOptions().DeadlinesFrom(GuardBench.Now, "di-one", BootTimeClock.Instance.BootId);
                Assert.True(before.TryProtect(backend, () => deadlines, GuardTarget.ProcessOnly, TimeSpan.FromSeconds(2)));
            }
        }

        using var after = await OpenAsync();
        after.RemoveLeftovers([led]);

        Assert.True(File.Exists(after.Directory.LeaseOf(led)));
        Assert.False(File.Exists(after.Directory.LeaseOf(over)));
    }

    [Fact]
    public async Task A_renewal_that_is_answered_while_the_lease_is_first_written_is_in_it()
    {
        using var directory = new TempDirectory();
        using var leases = await LeaseDirectory.OpenAsync(
            directory["run"], null, "di-one", BootTimeClock.Instance, TimeProvider.System, NullLogger.Instance, default);
        var backend = FakeController.NewIdentity();
        LeaseDeadlines At(long reading) => new LeaseOptions().DeadlinesFrom(reading, "di-one", BootTimeClock.Instance.BootId);
        var (first, later) = (At(GuardBench.Now), At(GuardBench.Now + 15_000));
        var answered = Task.CompletedTask;
        Assert.True(leases.TryProtect(
            backend,
            () =>
            {
                answered = Task.Run(() => leases.Prolong(backend, later));
                return first;
            },
            GuardTarget.ProcessOnly,
            TimeSpan.FromSeconds(2)));
        await answered;

        Assert.Equal(later.HardAt, LeaseFile.Read(leases.Directory.LeaseOf(backend), backend, BootTimeClock.Instance, out _)?.HardAt);
    }

    [Fact]
    public async Task A_directory_has_one_agent()
    {
        await using var bench = await GuardBench.StartAsync(new ProcessBench(), withGuard: false);

        var refused = await Assert.ThrowsAsync<StartRefusedException>(() => LeaseDirectory.OpenAsync(
            bench.Directory.Root, null, "di-twin", BootTimeClock.Instance, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance, default));

        Assert.Contains("another drone agent", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--run-dir")]
    [InlineData("--runtime")]
    [InlineData("--docker-host")]
    [InlineData("--gone-for")]
    public void A_bad_option_names_itself(string flag)
    {
        var options = new GuardOptions { RunDir = "/x" };
        switch (flag)
        {
            case "--run-dir": options.RunDir = ""; break;
            case "--runtime": options.Runtime = "podman"; break;
            case "--docker-host": options.DockerHost = "ssh://x"; break;
            default: options.GoneFor = TimeSpan.Zero; break;
        }

        Assert.StartsWith(flag + " (PLANE__", Assert.Single(new GuardOptionsValidator().Problems(options)), StringComparison.Ordinal);
        Assert.Contains(flag, Plane.Cli.Roles.GuardCommand.Create().Options.Select(o => o.Name));
    }

    private static Bench BenchOf(string kind) => kind == "docker" ? new DockerBench() : new ProcessBench();

    /// <summary>Lets the lease on disk end then, whatever the agent knows.</summary>
    private static void Expire(GuardBench bench, BackendIdentity backend, long hard)
    {
        var lease = bench.Leases.Find(backend)! with { HardAt = hard, SoftAt = hard, RenewAt = 0 };
        PrivateFile.Replace(bench.Directory.LeaseOf(backend), lease.ToBytes());
    }
}
