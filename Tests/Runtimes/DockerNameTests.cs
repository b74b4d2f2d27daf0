using Docker.DotNet.Models;
using Plane.DroneHost.Runtimes;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

/// <summary>Containers that have a backend's name already, and containers that somebody else takes away.</summary>
public sealed class DockerNameTests : IAsyncLifetime
{
    private readonly DockerBench _bench = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _bench.EndAsync();

    [Fact]
    public async Task A_container_that_is_not_the_drones_is_left_alone()
    {
        var engine = await DockerEngine.SharedAsync();
        var start = await _bench.StartOf("exec sleep 1000");
        var foreign = await engine.RunAsync(await DockerImages.BusyboxAsync(), DockerBench.NameOf(start.Identity), ["sleep", "1000"]);
        try
        {
            var runtime = _bench.NewRuntime();
            var failure = await Assert.ThrowsAsync<RuntimeFailureException>(() => runtime.StartAsync(start, default));
            await runtime.KillAsync(start.Identity, default);
            await runtime.EnsureGoneAsync(start.Identity, default);

            Assert.Contains("not this drone's", failure.Message, StringComparison.Ordinal);
            Assert.True(await engine.IsRunningAsync(foreign));
        }
        finally
        {
            await engine.RemoveAsync(foreign);
        }
    }

    [Fact]
    public async Task A_leftover_of_an_older_acquisition_is_removed_before_the_newer_starts()
    {
        var runtime = _bench.NewRuntime();
        var older = await _bench.StartOf("exec sleep 1000");
        await runtime.StartAsync(older, default);
        var newer = older with { Identity = older.Identity with { Token = new FencingToken(older.Identity.Token.Value + 1) }, Port = FreePort.Next() };

        Assert.NotNull(await runtime.StartAsync(newer, default));

        Assert.Equal(newer.Identity, Assert.Single(await runtime.ListAsync(default)).Backend);
    }

    [Fact]
    public async Task A_newer_acquisition_is_not_disturbed_by_an_older_one()
    {
        var runtime = _bench.NewRuntime();
        var newer = await _bench.StartOf("exec sleep 1000");
        await runtime.StartAsync(newer, default);
        var older = newer with { Identity = newer.Identity with { Token = new FencingToken(newer.Identity.Token.Value - 1) } };

        await Assert.ThrowsAsync<RuntimeFailureException>(() => runtime.StartAsync(older, default));
        await runtime.KillAsync(older.Identity, default);
        await runtime.EnsureGoneAsync(older.Identity, default);

        Assert.True(await _bench.IsRunningAsync(newer.Identity));
    }

    [Fact]
    public async Task What_was_created_and_not_started_is_listed_replaced_and_removed()
    {
        var runtime = _bench.NewRuntime();
        var start = await _bench.StartOf("exec sleep 1000");
        await CreateAsync(start);

        Assert.Equal(new FoundBackend(start.Identity, FoundState.Created, null, null), Assert.Single(await runtime.ListAsync(default)));
        Assert.NotNull(await runtime.StartAsync(start, default));

        var second = await _bench.StartOf("exec sleep 1000");
        await CreateAsync(second);
        await runtime.EnsureGoneAsync(second.Identity, default);
        Assert.Null(await (await DockerEngine.SharedAsync()).InspectAsync(DockerBench.NameOf(second.Identity)));
    }

    [Fact]
    public async Task A_container_that_the_guard_removes_between_the_look_and_the_start_is_not_started()
    {
        var marked = false;
        BackendStart? start = null;
        start = await _bench.StartOf("exec sleep 1000", mayStart: () =>
        {
            if (marked)
            {
                return false;
            }

            // The look is still allowed; the guard marks and removes right after it.
            marked = true;
            Task.Run(async () => await (await DockerEngine.SharedAsync()).RemoveAsync(DockerBench.NameOf(start!.Identity))).Wait();
            return true;
        });

        Assert.Null(await _bench.NewRuntime().StartAsync(start, default));
        Assert.False(await _bench.IsRunningAsync(start.Identity));
    }

    [Fact]
    public async Task One_whose_container_is_taken_away_is_gone_and_reported()
    {
        var runtime = _bench.NewRuntime();
        var start = await _bench.StartOf("exec sleep 1000");
        await using var exits = new Exits(runtime);
        await runtime.StartAsync(start, default);

        await (await DockerEngine.SharedAsync()).RemoveAsync(DockerBench.NameOf(start.Identity));

        await exits.OfAsync(start.Identity);
        Assert.Equal(new BackendExit(start.Identity, null, null), await runtime.EnsureGoneAsync(start.Identity, default));
    }

    [Fact]
    public async Task A_paused_container_is_ended_too()
    {
        var runtime = _bench.NewRuntime();
        var start = await _bench.StartOf("exec sleep 1000");
        await runtime.StartAsync(start, default);
        var engine = await DockerEngine.SharedAsync();
        await engine.Client.Containers.PauseContainerAsync(DockerBench.NameOf(start.Identity));

        await runtime.EnsureGoneAsync(start.Identity, default);

        Assert.False(await _bench.IsRunningAsync(start.Identity));
    }

    private async Task CreateAsync(BackendStart start)
    {
        await (await DockerEngine.SharedAsync()).Client.Containers.CreateContainerAsync(new CreateContainerParameters
        {
            Name = DockerBench.NameOf(start.Identity),
            Image = start.Executable.Image!,
            Labels = new Dictionary<string, string>
            {
                ["dev.plane.backend"] = "true",
                ["dev.plane.drone"] = _bench.InstanceId,
                ["dev.plane.backend.name"] = start.Identity.Backend.Value,
                ["dev.plane.backend.token"] = start.Identity.Token.ToString(),
            },
        });
    }
}
