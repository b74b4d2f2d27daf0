using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Runtimes.Process;
using Plane.Tests.Drone;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

public sealed class ProcessRuntimeTests : IAsyncLifetime
{
    private readonly ProcessBench _bench = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _bench.EndAsync();

    [Fact]
    public async Task The_launcher_looks_by_itself_and_does_not_start_past_the_soft_deadline()
    {
        var start = await _bench.StartOf("touch ran") with { Deadlines = Bench.At(BootTimeClock.Instance.Milliseconds - 1) };

        Assert.Null(await _bench.NewRuntime().StartAsync(start, default));

        Assert.False(Directory.Exists(_bench.FileOf(start.Identity, "")));
    }

    [Fact]
    public async Task The_launcher_does_not_start_in_another_boot()
    {
        var start = await _bench.StartOf("exec sleep 1000");
        start = start with { Deadlines = start.Deadlines with { BootId = "4f8e2c0a-0000-0000-0000-000000000000" } };

        Assert.Null(await _bench.NewRuntime().StartAsync(start, default));
    }

    [Fact]
    public async Task The_launcher_does_not_start_what_the_guard_has_marked()
    {
        _bench.Configure = o => o.EndedDirectory = _bench.Directory["ended"];
        var start = await _bench.StartOf("exec sleep 1000");
        Directory.CreateDirectory(_bench.Directory["ended"]);
        await File.WriteAllTextAsync(Path.Combine(_bench.Directory["ended"], $"{start.Identity.Backend}.{start.Identity.Token}"), "");

        Assert.Null(await _bench.NewRuntime().StartAsync(start, default));
    }

    [Fact]
    public async Task A_launcher_that_is_waited_for_when_the_agent_stops_leaves_a_backend_that_can_be_started()
    {
        var runtime = _bench.NewRuntime();
        await runtime.CheckAsync(default);
        await File.WriteAllTextAsync(_bench.LauncherScript, "#!/bin/sh\nexec sleep 1000\n");
        var start = await _bench.StartOf("exec sleep 1000");
        using var stop = new CancellationTokenSource();
        var starting = runtime.StartAsync(start, stop.Token);
        await Eventually.TrueAsync(() => ProcessBench.PidsOf(start.Identity).Count > 0, "the launcher runs");

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => starting);
        Assert.Empty(ProcessBench.PidsOf(start.Identity));
        var next = _bench.NewRuntime();
        Assert.Equal(FoundState.Created, Assert.Single(await next.ListAsync(default)).State);
        await next.EnsureGoneAsync(start.Identity, default);
        Assert.NotNull(await next.StartAsync(start, default));
        Assert.Equal(FoundState.Running, Assert.Single(await next.ListAsync(default)).State);
    }

    [Fact]
    public async Task A_launcher_that_has_looked_when_the_agent_stops_is_let_start()
    {
        var runtime = _bench.NewRuntime();
        await runtime.CheckAsync(default);
        const string Word = ": >\"$_plane_dir/started\"";
        var script = await File.ReadAllTextAsync(_bench.LauncherScript);
        Assert.Contains(Word, script, StringComparison.Ordinal);
        await File.WriteAllTextAsync(
            _bench.LauncherScript, script.Replace(Word, $"while [ ! -e \"$_plane_dir/ended\" ]; do sleep 0.01; done; {Word}", StringComparison.Ordinal));
        var start = await _bench.StartOf("exec sleep 1000");
        using var stop = new CancellationTokenSource();
        var starting = runtime.StartAsync(start, stop.Token);
        await Eventually.TrueAsync(() => File.Exists(_bench.FileOf(start.Identity, "child")), "the launcher looks");

        await stop.CancelAsync();

        var started = await starting;
        Assert.NotNull(started);
        Assert.Equal(new FoundBackend(start.Identity, FoundState.Running, started, null), Assert.Single(await _bench.NewRuntime().ListAsync(default)));
    }

    [Fact]
    public async Task What_never_ran_and_is_gone_is_not_listed_and_pruned()
    {
        using var stop = new CancellationTokenSource();
        var runtime = _bench.NewRuntime();
        var start = await _bench.StartOf("exec sleep 1000", mayStart: () =>
        {
            stop.Cancel();
            return true;
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => runtime.StartAsync(start, stop.Token));

        await runtime.EnsureGoneAsync(start.Identity, default);

        Assert.Empty(await runtime.ListAsync(default));
        Assert.Equal(1, await runtime.PruneAsync(TimeSpan.Zero, default));
        Assert.False(Directory.Exists(_bench.FileOf(start.Identity, "")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Processes_that_leave_the_parent_or_the_session_are_ended_too(bool leaveSession)
    {
        var leave = leaveSession ? "setsid sleep 1001 & " : "(sleep 1001 &); ";
        var start = await _bench.StartOf($"{leave} sleep 0.2; exit 4");
        var runtime = _bench.NewRuntime();
        await using var exits = new Exits(runtime);
        await runtime.StartAsync(start, default);
        await exits.OfAsync(start.Identity);
        Assert.True(await _bench.IsRunningAsync(start.Identity));

        Assert.Equal(4, (await runtime.EnsureGoneAsync(start.Identity, default)).ExitCode);

        Assert.Empty(ProcessBench.PidsOf(start.Identity));
    }

    [Fact]
    public async Task Other_drones_are_left_alone_and_earlier_instances_of_this_one_are_not()
    {
        var other = await _bench.StartOf("exec sleep 1000");
        var earlier = await _bench.StartOf("exec sleep 1000");
        var supervised = await _bench.StartOf("exec sleep 1000");
        var (others, before) = (_bench.NewRuntime($"{_bench.InstanceId}-2"), _bench.NewRuntime($"{_bench.InstanceId}-1"));
        await others.StartAsync(other, default);
        await before.StartAsync(earlier, default);
        _bench.Configure = o => o.EarlierPlaces = before.GuardedPlaces;
        var runtime = _bench.NewRuntime();
        await runtime.StartAsync(supervised, default);
        try
        {
            Assert.Equal([earlier.Identity], await runtime.EndUnsupervisedAsync(b => b == supervised.Identity, default));

            Assert.False(await _bench.IsRunningAsync(earlier.Identity));
            Assert.True(await _bench.IsRunningAsync(other.Identity));
            Assert.True(await _bench.IsRunningAsync(supervised.Identity));
        }
        finally
        {
            await others.EnsureGoneAsync(other.Identity, default);
        }
    }

    [Fact]
    public async Task Processes_whose_files_were_removed_are_found_by_their_cgroup()
    {
        var lost = await _bench.StartOf("exec sleep 1000");
        var supervised = await _bench.StartOf("exec sleep 1000");
        var runtime = _bench.NewRuntime();
        await runtime.StartAsync(lost, default);
        await runtime.StartAsync(supervised, default);
        Directory.Delete(_bench.FileOf(lost.Identity, "").TrimEnd('/'), recursive: true);

        Assert.Equal([lost.Identity], await runtime.EndUnsupervisedAsync(b => b == supervised.Identity, default));

        Assert.False(await _bench.IsRunningAsync(lost.Identity));
        Assert.True(await _bench.IsRunningAsync(supervised.Identity));
    }

    [Fact]
    public async Task Without_a_cgroup_what_stays_in_the_session_is_ended()
    {
        _bench.Configure = o => o.UseCgroups = false;
        var start = await _bench.StartOf("(sleep 1001 &); exec sleep 1000");
        var runtime = _bench.NewRuntime();
        await runtime.StartAsync(start, default);

        await runtime.EnsureGoneAsync(start.Identity, default);

        Assert.Empty(ProcessBench.PidsOf(start.Identity));
    }

    [Fact]
    public async Task A_fork_bomb_is_ended()
    {
        var start = await _bench.StartOf("f() { while :; do sleep 0.2 & sleep 0.01; done; }; f & f & f & wait");
        var runtime = _bench.NewRuntime();
        await runtime.StartAsync(start, default);

        await runtime.EnsureGoneAsync(start.Identity, default);

        Assert.Empty(ProcessBench.PidsOf(start.Identity));
    }

    [Fact]
    public async Task A_killed_launcher_leaves_its_command_to_be_found_and_ended()
    {
        var start = await _bench.StartOf("exec sleep 1000");
        var runtime = _bench.NewRuntime();
        var started = await runtime.StartAsync(start, default);
        Signals.Send(started!.Pid, Signal.Kill);
        await Eventually.TrueAsync(() => !Signals.IsAlive(started.Pid), "the launcher is dead");

        Assert.Equal(FoundState.Running, Assert.Single(await runtime.ListAsync(default)).State);
        await runtime.EnsureGoneAsync(start.Identity, default);

        Assert.Empty(ProcessBench.PidsOf(start.Identity));
    }

    [Fact]
    public async Task A_terminated_launcher_goes_on()
    {
        var start = await _bench.StartOf("sleep 0.5; exit 9");
        var runtime = _bench.NewRuntime();
        await using var exits = new Exits(runtime);
        var started = await runtime.StartAsync(start, default);

        Signals.Send(started!.Pid, Signal.Terminate);

        Assert.Equal(9, (await exits.OfAsync(start.Identity)).ExitCode);
    }

    [Fact]
    public async Task A_flooded_output_is_bounded_and_its_newest_part_kept()
    {
        _bench.Configure = o => (o.OutputLimit, o.LookEvery) = (200_000, TimeSpan.FromMilliseconds(20));
        var start = await _bench.StartOf("while :; do busybox yes flood | head -c 2000000; echo the-end; sleep 0.05; done");
        var runtime = _bench.NewRuntime();
        await runtime.StartAsync(start, default);

        var older = _bench.FileOf(start.Identity, "output.1");
        await Eventually.TrueAsync(() => File.Exists(older), "output is moved aside");
        await Eventually.SeenAsync(() => new FileInfo(_bench.FileOf(start.Identity, "output")).Length, l => l < 200_000, "the output is cut");
        Assert.InRange(new FileInfo(older).Length, 1, 100_000);
    }

    [Fact]
    public async Task Its_output_is_a_file_and_its_input_is_nothing()
    {
        var start = await _bench.StartOf("read -r x; echo \"out:$x\"; echo err >&2; readlink /proc/$$/fd/0 /proc/$$/fd/1; exit 0");
        var runtime = _bench.NewRuntime();
        await using var exits = new Exits(runtime);
        await runtime.StartAsync(start, default);
        await exits.OfAsync(start.Identity);

        var output = _bench.FileOf(start.Identity, "output");
        Assert.Equal(["out:", "err", "/dev/null", output], await File.ReadAllLinesAsync(output));
    }

    [Fact]
    public async Task It_starts_in_the_directory_that_it_asks_for_else_in_one_of_its_own()
    {
        var runtime = _bench.NewRuntime();
        var own = await _bench.StartOf("pwd; echo $HOME");
        var asked = await _bench.StartOf("pwd");
        asked = asked with { Executable = asked.Executable with { WorkingDirectory = "/usr" } };
        await using var exits = new Exits(runtime);
        await runtime.StartAsync(own, default);
        await runtime.StartAsync(asked, default);
        await exits.OfAsync(own.Identity);
        await exits.OfAsync(asked.Identity);

        var work = _bench.FileOf(own.Identity, "work");
        Assert.Equal([work, work], await File.ReadAllLinesAsync(_bench.FileOf(own.Identity, "output")));
        Assert.Equal(["/usr"], await File.ReadAllLinesAsync(_bench.FileOf(asked.Identity, "output")));
    }

    [Fact]
    public async Task What_cannot_be_run_is_named()
    {
        var runtime = _bench.NewRuntime();
        var start = await _bench.StartOf("");
        async Task<string> FailsAsync(Func<Executable, Executable> change) =>
            (await Assert.ThrowsAsync<RuntimeFailureException>(() => runtime.PrepareAsync(start with { Executable = change(start.Executable) }, default))).Message;

        Assert.Contains("no-such-program", await FailsAsync(e => e with { Command = ["no-such-program"] }), StringComparison.Ordinal);
        Assert.Contains("/no/such", await FailsAsync(e => e with { WorkingDirectory = "/no/such" }), StringComparison.Ordinal);
        Assert.Contains("not images", await FailsAsync(e => e with { Image = "busybox" }), StringComparison.Ordinal);
        Assert.Contains("a.b", await FailsAsync(e => e with { Env = new() { ["a.b"] = "1" } }), StringComparison.Ordinal);
        Assert.Empty(await runtime.ListAsync(default));
    }

    [Fact]
    public async Task What_ran_in_another_boot_has_ended()
    {
        var start = await _bench.StartOf("exec sleep 1000");
        var runtime = _bench.NewRuntime();
        var started = await runtime.StartAsync(start, default);
        var spec = _bench.FileOf(start.Identity, "spec");
        await File.WriteAllTextAsync(spec, (await File.ReadAllTextAsync(spec)).Replace(BootTimeClock.Instance.BootId, "another-boot", StringComparison.Ordinal));

        var found = Assert.Single(await runtime.ListAsync(default));
        var exit = await runtime.EnsureGoneAsync(start.Identity, default);

        Assert.Equal(FoundState.Exited, found.State);
        Assert.Null(exit.ExitCode);
        Assert.True(Signals.IsAlive(started!.Pid), "a pid of another boot is nobody's");
        new ProcessIdentity(started.Pid, started.StartTime).KillSession();
        await Eventually.TrueAsync(() => ProcessBench.PidsOf(start.Identity).Count == 0, "it is ended for the sake of the other tests");
    }

    [Fact]
    public async Task A_launcher_that_comes_after_another_has_begun_leaves()
    {
        var start = await _bench.StartOf("echo ran; exec sleep 1000");
        var runtime = _bench.NewRuntime();
        await runtime.StartAsync(start, default);
        var directory = _bench.FileOf(start.Identity, "").TrimEnd('/');
        var output = _bench.FileOf(start.Identity, "output");
        await Eventually.TrueAsync(() => File.ReadAllText(output) == "ran\n", "it runs");

        await using var late = await RunningProgram.StartAsync(
            "/usr/bin/setsid",
            ["/bin/sh", Path.Combine(Path.GetDirectoryName(directory)!, "launcher.sh"), directory, BootTimeClock.Instance.BootId, long.MaxValue.ToString(), "", "/bin/mv", "", "/bin/echo", "twice"]);
        await late.WaitForExitAsync();

        Assert.Equal("ran\n", await File.ReadAllTextAsync(output));
    }

    [Fact]
    public async Task A_launcher_that_comes_after_its_backend_was_made_sure_to_be_gone_leaves()
    {
        var start = await _bench.StartOf("exec sleep 1000");
        var runtime = _bench.NewRuntime();
        await runtime.CheckAsync(default);
        var directory = _bench.FileOf(start.Identity, "").TrimEnd('/');
        Directory.CreateDirectory(directory);
        await runtime.EnsureGoneAsync(start.Identity, default);

        await using var late = await RunningProgram.StartAsync(
            "/usr/bin/setsid",
            ["/bin/sh", Path.Combine(Path.GetDirectoryName(directory)!, "launcher.sh"), directory, BootTimeClock.Instance.BootId, long.MaxValue.ToString(), "", "/bin/mv", "", "/bin/touch", $"{directory}/ran"]);
        await late.WaitForExitAsync();

        Assert.False(File.Exists($"{directory}/ran"));
    }

    [Fact]
    public async Task Its_cgroup_is_gone_with_it()
    {
        var start = await _bench.StartOf("exec sleep 1000");
        var runtime = _bench.NewRuntime();
        var started = await runtime.StartAsync(start, default);
        var line = File.ReadLines($"/proc/{started!.Pid}/cgroup").Where(l => l.Contains($"plane-{_bench.InstanceId}", StringComparison.Ordinal)).ToList();

        await runtime.EnsureGoneAsync(start.Identity, default);

        // Where this machine lets us make one.
        foreach (var path in line.Select(l => l.Split(':')[2].TrimStart('/')))
        {
            Assert.DoesNotContain(
                File.ReadLines("/proc/self/mounts").Select(m => m.Split(' ')).Where(m => m[2].StartsWith("cgroup", StringComparison.Ordinal)),
                m => Directory.Exists(Path.Combine(m[1], path)) || Directory.Exists(Path.GetDirectoryName(Path.Combine(m[1], path))));
        }
    }

    [Fact]
    public async Task What_a_drone_that_never_came_back_left_is_removed_by_another()
    {
        if (Cgroups.TryFind($"gone-{_bench.InstanceId}", out _)?.TryCreate("backend", out _) is not { } left)
        {
            // This machine lets us make none.
            return;
        }

        var root = Path.GetDirectoryName(left)!;
        var fresh = Cgroups.TryFind($"new-{_bench.InstanceId}", out _)!.TryCreate("backend", out _)!;
        foreach (var directory in (string[])[left, root])
        {
            Directory.SetLastWriteTimeUtc(directory, TimeProvider.System.GetUtcNow().UtcDateTime - TimeSpan.FromHours(2));
        }

        await _bench.NewRuntime().CheckAsync(default);

        Assert.False(Directory.Exists(root));
        Assert.True(Directory.Exists(fresh), "a launcher may be about to enter it");
        Cgroups.Remove(fresh);
        Assert.False(Directory.Exists(Path.GetDirectoryName(fresh)));
    }

    [Fact]
    public async Task What_cannot_be_removed_of_one_is_logged_once_and_keeps_nothing_else_from_being_pruned()
    {
        using var log = new Log();
        using var logging = LoggerFactory.Create(b => b.AddProvider(log));
        await using var runtime = new ProcessRuntime(
            new ProcessRuntimeOptions { Directory = _bench.Directory["processes"], InstanceId = _bench.InstanceId }, TimeProvider.System, logging.CreateLogger<ProcessRuntime>());
        var ended = new List<BackendIdentity>();
        for (var i = 0; i < 3; i++)
        {
            var start = await _bench.StartOf("exec sleep 1000");
            await runtime.StartAsync(start, default);
            await runtime.EnsureGoneAsync(start.Identity, default);
            ended.Add(start.Identity);
        }

        // A directory where something is mounted is busy.
        var busy = _bench.FileOf(ended[1], "work/busy");
        Directory.CreateDirectory(busy);
        var (code, lines) = await RunningProgram.RunAsync("mount", ["-t", "tmpfs", "none", busy]);
        Assert.True(code == 0, string.Join('\n', lines));
        try
        {
            await Eventually.SeenAsync(_ => runtime.PruneAsync(TimeSpan.Zero, default), _ => !ended.Any(b => b != ended[1] && Directory.Exists(_bench.FileOf(b, ""))), "the others are removed");
            Assert.Equal(0, await runtime.PruneAsync(TimeSpan.Zero, default));

            Assert.Equal((ended[1], FoundState.Exited), Assert.Single((await runtime.ListAsync(default)).Select(f => (f.Backend, f.State))));
            Assert.Equal(1, log.Count("cannot be removed"));
        }
        finally
        {
            await RunningProgram.RunAsync("umount", [busy]);
        }

        Assert.Equal(1, await runtime.PruneAsync(TimeSpan.Zero, default));
        Assert.False(Directory.Exists(_bench.FileOf(ended[1], "")));
    }

    [Fact]
    public async Task A_directory_that_cannot_be_used_makes_the_runtime_unavailable()
    {
        await File.WriteAllTextAsync(_bench.Directory["file"], "");
        await using var runtime = new ProcessRuntime(
            new ProcessRuntimeOptions { Directory = _bench.Directory["file"], InstanceId = "i" }, TimeProvider.System, NullLogger<ProcessRuntime>.Instance);

        await Assert.ThrowsAsync<RuntimeUnavailableException>(() => runtime.CheckAsync(default));
    }

    [Fact]
    public void A_reused_pid_is_not_signalled()
    {
        var own = ProcessIdentity.TryRead(Environment.ProcessId)!.Value;
        var other = own with { StartTime = own.StartTime - 1 };

        Assert.True(own.IsRunning);
        Assert.False(other.IsRunning);
        Assert.False(other.TrySignal(ProcessIdentity.Kill));
        Assert.Equal(0, other.KillSession());
        Assert.Equal(0, new ProcessIdentity(0, 0).KillSession());
        Assert.Equal(0, new ProcessIdentity(-1, 0).KillSession());
    }
}
