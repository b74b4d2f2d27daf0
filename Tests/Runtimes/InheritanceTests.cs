using System.Runtime.InteropServices;
using Plane.Tests.Support;

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
    public async Task The_agents_umask_and_its_protection_from_the_oom_killer_are_not_handed_on()
    {
        await _bench.NewRuntime().CheckAsync(default);
        var directory = _bench.FileOf(Bench.NewIdentity(), "").TrimEnd('/');
        Directory.CreateDirectory(directory);

        // As the agent's systemd unit sets both.
        await using var launcher = await RunningProgram.StartAsync(
            "/bin/sh",
            ["-c", "umask 077; echo -900 >/proc/self/oom_score_adj 2>/dev/null; exec setsid -w /bin/sh \"$@\"", "sh", _bench.LauncherScript, directory, BootTimeClock.Instance.BootId,
                long.MaxValue.ToString(), "", "/bin/mv", "", "/bin/sh", "-c", "umask; cat /proc/self/oom_score_adj"]);
        await launcher.WaitForExitAsync();

        Assert.Equal(["0022", "0"], await File.ReadAllLinesAsync(Path.Combine(directory, "output")));
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
