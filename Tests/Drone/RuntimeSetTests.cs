using Microsoft.Extensions.Logging.Abstractions;
using Plane.DroneHost;
using Plane.DroneHost.Runtimes.Docker;
using Plane.DroneHost.Runtimes.Process;
using Plane.DroneHost.Supervision;
using Plane.Hosting.Running;
using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>Which runtimes a drone has, by its options and by what answers.</summary>
public sealed class RuntimeSetTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Auto_is_Docker_and_processes_where_its_engine_answers()
    {
        await using var set = await CreateAsync("auto");

        Assert.Equal([ExecutorKind.Docker, ExecutorKind.Process], set.Chosen);
        Assert.IsType<DockerRuntime>(set[ExecutorKind.Docker]);
        Assert.IsType<ProcessRuntime>(set[ExecutorKind.Process]);
    }

    [Fact]
    public async Task Auto_is_processes_alone_where_none_answers()
    {
        await using var set = await CreateAsync("auto", "unix:///nowhere/docker.sock");

        Assert.Equal([ExecutorKind.Process], set.Chosen);
        Assert.IsType<ProcessRuntime>(Assert.Single(set.All));
    }

    [Fact]
    public async Task Auto_keeps_the_runtime_of_what_runs_and_takes_nothing_new_for_it()
    {
        await using var set = await CreateAsync("auto", "unix:///nowhere/docker.sock", ExecutorKind.Docker);

        Assert.Equal([ExecutorKind.Process], set.Chosen);
        Assert.Equal(ExecutorKind.Docker, set[ExecutorKind.Docker].Kind);
        Assert.False(set.Has(ExecutorKind.Docker));
    }

    [Fact]
    public async Task Docker_stays_Docker_while_its_engine_is_away()
    {
        await using var set = await CreateAsync("docker", "unix:///nowhere/docker.sock");

        Assert.Equal([ExecutorKind.Docker], set.Chosen);
    }

    [Fact]
    public async Task A_kind_that_no_factory_makes_is_refused()
    {
        var refused = await Assert.ThrowsAsync<StartRefusedException>(() => RuntimeSet.CreateAsync(
            new DroneOptions { Runtime = "process" }, [new FakeRuntime(ExecutorKind.Docker)], Owner, [], TimeProvider.System, NullLogger.Instance, default));

        Assert.Contains("process", refused.Message, StringComparison.Ordinal);
    }

    private static RuntimeOwner Owner => new(ClusterName.Parse("test.example"), DroneName.Parse("dr-set"), "t-set");

    private Task<RuntimeSet> CreateAsync(string runtime, string? dockerHost = null, params ExecutorKind[] running)
    {
        var options = new DroneOptions { Runtime = runtime, StateFile = _directory["drone.db"] };
        options.DockerHost = dockerHost ?? DockerEngine.Host;
        return RuntimeSet.CreateAsync(
            options,
            [
                new DockerRuntimeFactory(options, TimeProvider.System, NullLogger<DockerRuntime>.Instance),
                new ProcessRuntimeFactory(options, TimeProvider.System, NullLogger<ProcessRuntime>.Instance),
            ],
            Owner,
            running,
            TimeProvider.System,
            NullLogger.Instance,
            default);
    }
}
