using System.Runtime.InteropServices;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

/// <summary>What a process backend has of the agent that started it: nothing but what it is meant to have.</summary>
public sealed class InheritanceTests : IAsyncLifetime
{
    private readonly ProcessBench _bench = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _bench.EndAsync();

    [Fact]
    public async Task Every_signal_has_its_default_and_none_is_blocked()
    {
        var output = await OutputOfAsync("exec grep -E '^Sig(Ign|Blk)' /proc/self/status");

        Assert.Equal(["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"], output);
    }

    [Fact]
    public async Task A_pipe_whose_reader_has_left_ends_its_writer()
    {
        var output = await OutputOfAsync("while :; do echo x; done | head -1; echo ended");

        Assert.Equal(["x", "ended"], output);
    }

    [Fact]
    public async Task Files_that_the_agent_was_started_with_are_not_handed_on()
    {
        // As a file that a shell opened for the agent is: dup(2) gives a descriptor that stays open over execve(2).
        using var file = File.OpenHandle(_bench.Directory["inherited"], FileMode.Create, FileAccess.ReadWrite);
        var descriptor = Native.Duplicate((int)file.DangerousGetHandle());
        try
        {
            var output = await OutputOfAsync("for f in /proc/$$/fd/*; do readlink $f; done");

            Assert.DoesNotContain(output, line => line.Contains("inherited", StringComparison.Ordinal));
            Assert.Contains("/dev/null", output);
        }
        finally
        {
            _ = Native.Close(descriptor);
        }
    }

    [Fact]
    public async Task Nothing_that_the_agent_was_started_with_reaches_a_backend()
    {
        // As a systemd unit, a shell and an operator may set them: UMask, OOMScoreAdjust, Nice, LimitCORE, LimitNOFILE, LimitSTACK, and a terminal.
        const string Agent = "umask 077; echo -900 >/proc/self/oom_score_adj 2>/dev/null; ulimit -c unlimited; ulimit -n 5000; ulimit -S -s 1024; exec nice -n 7 setsid -w /bin/sh \"$@\"";
        const string Backend = """
            umask; cat /proc/self/oom_score_adj; nice; ulimit -S -c; ulimit -S -n; ulimit -H -n; ulimit -S -s
            (: </dev/tty) 2>/dev/null && echo terminal || echo none; readlink /proc/self/fd/0
            """;

        var output = await LaunchedAsync(Agent, Backend);

        Assert.Equal(["0022", "0", "0", "0", "1024", "5000", "8192", "none", "/dev/null"], output);
    }

    [Fact]
    public async Task A_limit_that_is_lower_than_a_login_gives_stays()
    {
        var output = await LaunchedAsync("ulimit -n 200; ulimit -s 4096; exec setsid -w /bin/sh \"$@\"", "ulimit -n; ulimit -s");

        Assert.Equal(["200", "4096"], output);
    }

    [Fact]
    public async Task One_that_may_not_lower_its_niceness_runs_all_the_same()
    {
        // Without the capability, as an agent that is not root.
        var output = await LaunchedAsync("exec nice -n 7 setpriv --bounding-set=-sys_nice --inh-caps=-sys_nice setsid -w /bin/sh \"$@\"", "nice; echo ran");

        Assert.Equal(["7", "ran"], output);
    }

    [Fact]
    public async Task The_environment_is_made_anew()
    {
        Environment.SetEnvironmentVariable("PLANE_TEST_INHERITED", "yes");
        try
        {
            var names = (await OutputOfAsync("/usr/bin/env")).Select(l => l.Split('=')[0]).Order(StringComparer.Ordinal);

            // PWD is the shell's own.
            Assert.Equal(
                ["HOME", "LANG", "PATH", "PORT", "PWD", "SESSION_BACKEND_FENCING_TOKEN", "SESSION_BACKEND_ID", "SESSION_BACKEND_KEY"], names.Where(n => n != "_"));
        }
        finally
        {
            Environment.SetEnvironmentVariable("PLANE_TEST_INHERITED", null);
        }
    }

    /// <summary>What a backend wrote whose launcher was started by a shell, as an agent that the shell has made so.</summary>
    private async Task<string[]> LaunchedAsync(string agent, string backend)
    {
        await _bench.NewRuntime().CheckAsync(default);
        var directory = _bench.FileOf(Bench.NewIdentity(), "").TrimEnd('/');
        Directory.CreateDirectory(directory);
        await using var launcher = await RunningProgram.StartAsync(
            "/bin/sh",
            ["-c", agent, "sh", _bench.LauncherScript, directory, BootTimeClock.Instance.BootId, long.MaxValue.ToString(), "", "/bin/mv", "", "/bin/sh", "-c", backend]);
        await launcher.WaitForExitAsync();
        return await File.ReadAllLinesAsync(Path.Combine(directory, "output"));
    }

    /// <summary>What a script wrote until it ended.</summary>
    private async Task<string[]> OutputOfAsync(string script)
    {
        var start = await _bench.StartOf(script);
        var runtime = _bench.NewRuntime();
        await using var exits = new Exits(runtime);
        await runtime.StartAsync(start, default);
        await exits.OfAsync(start.Identity);
        return await File.ReadAllLinesAsync(_bench.FileOf(start.Identity, "output"));
    }

    private static class Native
    {
        [DllImport("libc", EntryPoint = "dup")]
        public static extern int Duplicate(int descriptor);

        [DllImport("libc", EntryPoint = "close")]
        public static extern int Close(int descriptor);
    }
}
