using Docker.DotNet.Models;
using Plane.DroneHost.Runtimes;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

/// <summary>What an operator, a tool or the engine itself does with containers behind the agent.</summary>
public sealed class DockerUnsupervisedTests : IAsyncLifetime
{
    private const string Sleep = "exec sleep 1000";

    private readonly DockerBench _bench = new();
    private DockerEngine _engine = null!;
    private IContainerRuntime _runtime = null!;

    public async Task InitializeAsync()
    {
        _engine = await DockerEngine.SharedAsync();
        _runtime = _bench.NewRuntime();
    }

    public async Task DisposeAsync() => await _bench.EndAsync();

    [Fact]
    public async Task What_has_ended_is_removed_and_its_output_and_exit_are_kept_until_they_are_pruned()
    {
        var start = await _bench.StartOf("echo to the output; echo to the errors >&2; exit 7");
        await _runtime.StartAsync(start, default);
        await Eventually.SeenAsync(_ => _bench.IsRunningAsync(start.Identity), running => !running, "it exits");

        Assert.Equal(7, (await _runtime.EnsureGoneAsync(start.Identity, default)).ExitCode);

        Assert.Null(await _engine.InspectAsync(DockerBench.NameOf(start.Identity)));
        Assert.Equal(["to the errors", "to the output"], (await File.ReadAllLinesAsync(OutputOf(start.Identity))).Order());
        var found = Assert.Single(await _bench.NewRuntime().ListAsync(default));
        Assert.Equal((start.Identity, FoundState.Exited, 7), (found.Backend, found.State, found.ExitCode));
        Assert.Equal(0, await _runtime.PruneAsync(TimeSpan.FromHours(1), default));
        Assert.Equal(1, await _runtime.PruneAsync(TimeSpan.Zero, default));
        Assert.False(File.Exists(OutputOf(start.Identity)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_runs_in_a_container_that_its_engine_forgot_is_killed(bool isStartedAgain)
    {
        var start = await _bench.StartOf(Sleep);
        await _runtime.StartAsync(start, default);
        var name = DockerBench.NameOf(start.Identity);
        var started = (await _engine.InspectAsync(name))!;
        await _engine.RemoveAsync(name);

        // As after a restart of an engine that was killed while it started the container: created, and its process runs.
        var created = await _engine.Client.Containers.CreateContainerAsync(
            new CreateContainerParameters { Name = name, Image = started.Config!.Image, Labels = started.Config.Labels, Cmd = ["true"] });
        var cgroup = Path.Combine(Directory.Exists("/sys/fs/cgroup/pids") ? "/sys/fs/cgroup/pids" : "/sys/fs/cgroup", $"test-{created.ID}");
        Directory.CreateDirectory(cgroup);
        await using var process = await RunningProgram.StartAsync("sh", ["-c", $"echo $$ >{cgroup}/cgroup.procs; echo begun; {Sleep}"]);
        await process.WaitForLineAsync("^begun$");
        try
        {
            if (isStartedAgain)
            {
                // The start that the engine did not answer is repeated.
                await _bench.NewRuntime().StartAsync(start, default);
            }
            else
            {
                await _runtime.EnsureGoneAsync(start.Identity, default);
            }

            Assert.True(process.HasExited);
            Assert.NotEqual(created.ID, (await _engine.InspectAsync(name))?.ID);
            Assert.Equal(isStartedAgain, await _bench.IsRunningAsync(start.Identity));
        }
        finally
        {
            process.Send(Signal.Kill);
            await process.WaitForExitAsync();
            Directory.Delete(cgroup);
        }
    }

    [Fact]
    public async Task The_last_of_a_long_output_is_kept()
    {
        _bench.Configure = o => o.OutputLimit = 4096;
        var runtime = _bench.NewRuntime();
        var start = await _bench.StartOf("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done");
        await runtime.StartAsync(start, default);
        await Eventually.SeenAsync(_ => _bench.IsRunningAsync(start.Identity), running => !running, "it exits");

        await runtime.EnsureGoneAsync(start.Identity, default);

        var kept = await File.ReadAllTextAsync(OutputOf(start.Identity));
        Assert.Equal(4096, kept.Length);
        Assert.EndsWith("line 2999\n", kept, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("start")]
    [InlineData("restart")]
    [InlineData("unpause")]
    public async Task What_is_made_to_run_behind_the_drone_is_noticed_and_ended(string how)
    {
        var start = await _bench.StartOf(Sleep);
        var noticed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await _runtime.StartAsync(start, default);
        await PostAsync(start.Identity, how == "unpause" ? "pause" : "stop");

        // The next agent: it supervises nothing.
        var next = _bench.NewRuntime();
        next.StartedElsewhere += () => noticed.TrySetResult();
        await using var exits = new Exits(next);
        if (how != "unpause")
        {
            await exits.OfAsync(start.Identity);
        }

        await Eventually.TrueAsync(
            () =>
            {
                // Again, until the stream of events is open.
                if (how == "unpause")
                {
                    PostAsync(start.Identity, "pause").Wait();
                }

                PostAsync(start.Identity, how).Wait();
                return noticed.Task.IsCompleted;
            },
            "it is noticed");

        Assert.Equal([start.Identity], await next.EndUnsupervisedAsync(_ => false, default));
        Assert.Null(await _engine.InspectAsync(DockerBench.NameOf(start.Identity)));
    }

    [Fact]
    public async Task One_that_the_engine_restarts_by_a_policy_is_gone_once_it_was_made_sure_of()
    {
        // It lives until it is killed, and ends by itself each time after that.
        var start = await _bench.StartOf("[ -e /tmp/again ] && exec sleep 0.2; touch /tmp/again; exec sleep 1000");
        await _runtime.StartAsync(start, default);
        await _engine.Client.Containers.UpdateContainerAsync(
            DockerBench.NameOf(start.Identity), new ContainerUpdateParameters { RestartPolicy = new RestartPolicy { Name = RestartPolicyKind.Always } });
        Signals.Send((int)(await _engine.InspectAsync(DockerBench.NameOf(start.Identity)))!.State!.Pid, Signal.Kill);
        await Eventually.SeenAsync(
            async _ => (await _engine.InspectAsync(DockerBench.NameOf(start.Identity)))!.RestartCount, count => count > 0, "the engine restarts it");

        await _runtime.EnsureGoneAsync(start.Identity, default);

        Assert.Null(await _engine.InspectAsync(DockerBench.NameOf(start.Identity)));
    }

    [Fact]
    public async Task A_renamed_container_is_still_the_backends()
    {
        var start = await _bench.StartOf(Sleep);
        var started = await _runtime.StartAsync(start, default);
        var name = $"renamed-{start.Identity.Backend}";
        await _engine.Client.Containers.RenameContainerAsync(DockerBench.NameOf(start.Identity), new ContainerRenameParameters { NewName = name });

        var next = _bench.NewRuntime();
        Assert.Equal(new FoundBackend(start.Identity, FoundState.Running, started, null), Assert.Single(await next.ListAsync(default)));
        await next.EnsureGoneAsync(start.Identity, default);

        Assert.Null(await _engine.InspectAsync(name));
    }

    [Fact]
    public async Task A_copy_of_a_supervised_container_is_ended_and_the_container_is_not()
    {
        var start = await _bench.StartOf(Sleep);
        await _runtime.StartAsync(start, default);
        await using var exits = new Exits(_runtime);
        var image = $"{DockerImages.Repository}:{start.Identity.Backend}";
        await _engine.Client.Images.CommitContainerChangesAsync(new CommitContainerChangesParameters
        {
            ContainerID = DockerBench.NameOf(start.Identity), RepositoryName = DockerImages.Repository, Tag = start.Identity.Backend.Value,
        });
        try
        {
            var copy = await _engine.RunAsync(image);

            Assert.Equal([start.Identity], await _runtime.EndUnsupervisedAsync(_ => true, default));

            Assert.Null(await _engine.InspectAsync(copy));
            Assert.True(await _bench.IsRunningAsync(start.Identity));
            Assert.Empty(await _runtime.EndUnsupervisedAsync(_ => true, default));
            Assert.DoesNotContain(exits.Seen, e => e.Backend == start.Identity);
        }
        finally
        {
            await _engine.RemoveImageAsync(image);
        }
    }

    [Fact]
    public async Task Other_drones_are_left_alone_and_earlier_instances_of_this_one_are_not()
    {
        var other = await _bench.StartOf(Sleep);
        var earlier = await _bench.StartOf(Sleep);
        var starting = await _bench.StartOf(Sleep);
        await _bench.NewRuntime($"{_bench.InstanceId}-2").StartAsync(other, default);
        await _bench.NewRuntime($"{_bench.InstanceId}-1").StartAsync(earlier, default);
        _bench.Configure = o => o.EarlierInstances = [$"{_bench.InstanceId}-1"];
        var runtime = _bench.NewRuntime();
        try
        {
            // Between creating and starting: what this agent is about to start is supervised.
            IReadOnlyList<BackendIdentity> ended = [];
            await runtime.StartAsync(
                starting with
                {
                    MayStart = () =>
                    {
                        ended = runtime.EndUnsupervisedAsync(b => b == starting.Identity, default).Result;
                        return true;
                    },
                },
                default);

            Assert.Equal([earlier.Identity], ended);
            Assert.True(await _bench.IsRunningAsync(other.Identity));
            Assert.True(await _bench.IsRunningAsync(starting.Identity));
        }
        finally
        {
            await _engine.RemoveAllAsync($"dev.plane.drone={_bench.InstanceId}-2");
        }
    }

    [Theory]
    [InlineData("stop", "trap 'exit 0' TERM; while :; do sleep 0.05; done", TerminationKind.Soft)]
    [InlineData("kill", Sleep, TerminationKind.Hard)]
    public async Task An_operators_stop_or_kill_is_told_from_an_end_by_itself(string how, string script, TerminationKind kind)
    {
        var start = await _bench.StartOf(script);
        await _runtime.StartAsync(start, default);
        await using var exits = new Exits(_runtime);

        await PostAsync(start.Identity, how);

        var exit = await exits.OfAsync(start.Identity);
        Assert.Equal((TerminationReason.External, kind), (exit.Cause?.Reason, exit.Cause?.Kind));
        Assert.Contains("through the container engine", exit.Cause!.Message, StringComparison.Ordinal);

        // Nor does an agent that comes later take it for its own end.
        Assert.Equal(TerminationReason.External, Assert.Single(await _bench.NewRuntime().ListAsync(default)).Exit!.Cause?.Reason);
    }

    [Fact]
    public async Task An_operators_removal_is_told_from_an_end_by_itself()
    {
        var start = await _bench.StartOf(Sleep);
        await _runtime.StartAsync(start, default);
        await using var exits = new Exits(_runtime);

        await _engine.RemoveAsync(DockerBench.NameOf(start.Identity));

        Assert.Equal(TerminationReason.External, (await exits.OfAsync(start.Identity)).Cause?.Reason);
    }

    [Fact]
    public async Task An_end_by_itself_has_no_reason()
    {
        var start = await _bench.StartOf("sleep 0.2; exit 3");
        await _runtime.StartAsync(start, default);
        await using var exits = new Exits(_runtime);

        Assert.Equal(new BackendExit(start.Identity, 3, null), await exits.OfAsync(start.Identity));
    }

    [Fact]
    public async Task A_start_that_the_engine_says_failed_though_it_did_not_leaves_nothing_and_says_what_the_engine_said()
    {
        await using var proxy = await EngineProxy.StartAsync();
        _bench.Configure = o => o.Host = proxy.Host;
        var start = await _bench.StartOf(Sleep);
        proxy.Fail = "/start ";

        var failure = await Assert.ThrowsAsync<RuntimeFailureException>(() => _bench.NewRuntime().StartAsync(start, default));

        Assert.Contains("containerd is gone: for the test", failure.Message, StringComparison.Ordinal);
        Assert.Null(await _engine.InspectAsync(DockerBench.NameOf(start.Identity)));
    }

    [Fact]
    public async Task A_start_that_is_never_answered_fails_and_is_not_made_again()
    {
        await using var proxy = await EngineProxy.StartAsync();
        _bench.Configure = o => (o.Host, o.StartTimeout) = (proxy.Host, TimeSpan.FromSeconds(3));
        var start = await _bench.StartOf(Sleep);
        proxy.Swallow = "/start ";

        var failure = await Assert.ThrowsAsync<RuntimeFailureException>(() => _bench.NewRuntime().StartAsync(start, default));

        Assert.Contains("did not confirm the start", failure.Message, StringComparison.Ordinal);
        Assert.Contains("/start", failure.Message, StringComparison.Ordinal);
        Assert.Null(await _engine.InspectAsync(DockerBench.NameOf(start.Identity)));
    }

    [Fact]
    public async Task A_start_whose_answer_is_lost_is_sent_once()
    {
        await using var proxy = await EngineProxy.StartAsync();
        _bench.Configure = o => o.Host = proxy.Host;
        var start = await _bench.StartOf("exit 0");
        proxy.Lose = "/start ";

        await Assert.ThrowsAsync<RuntimeFailureException>(() => _bench.NewRuntime().StartAsync(start, default));

        Assert.Single(proxy.Requests, r => r.Contains("/start ", StringComparison.Ordinal));
        Assert.Null(await _engine.InspectAsync(DockerBench.NameOf(start.Identity)));
    }

    [Fact]
    public async Task A_container_that_is_pruned_before_it_starts_may_be_made_again()
    {
        var start = await _bench.StartOf(Sleep);
        var pruned = false;
        start = start with
        {
            MayStart = () =>
            {
                if (!pruned)
                {
                    // As docker system prune does with what does not run.
                    pruned = true;
                    _engine.RemoveAsync(DockerBench.NameOf(start.Identity)).Wait();
                }

                return true;
            },
        };

        await Assert.ThrowsAsync<RuntimeUnavailableException>(() => _runtime.StartAsync(start, default));
        Assert.NotNull(await _runtime.StartAsync(start, default));
    }

    private string OutputOf(BackendIdentity backend) => Path.Combine(_bench.Directory["containers"], _bench.InstanceId, $"{backend.Backend}.{backend.Token}", "output");

    private async Task PostAsync(BackendIdentity backend, string what)
    {
        var (containers, name) = (_engine.Client.Containers, DockerBench.NameOf(backend));
        await DockerEngine.UnlessRefusedAsync(what switch
        {
            "start" => containers.StartContainerAsync(name),
            "restart" => containers.RestartContainerAsync(name, new ContainerRestartParameters { WaitBeforeKillSeconds = 0 }),
            "stop" => containers.StopContainerAsync(name, new ContainerStopParameters { WaitBeforeKillSeconds = 5 }),
            "kill" => containers.KillContainerAsync(name, new ContainerKillParameters()),
            "pause" => containers.PauseContainerAsync(name),
            "unpause" => containers.UnpauseContainerAsync(name),
            _ => throw new ArgumentOutOfRangeException(nameof(what), what, null),
        });
    }
}
