using System.Globalization;
using Plane.DroneHost.Runtimes;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

public sealed class DockerConformance() : RuntimeConformance(new DockerBench());

public sealed class ProcessConformance() : RuntimeConformance(new ProcessBench());

/// <summary>What every runtime promises (<see cref="IContainerRuntime"/>), on the real thing.</summary>
public abstract class RuntimeConformance(Bench bench) : IAsyncLifetime
{
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(5) };

    private const string Sleep = "exec sleep 1000";

    private IContainerRuntime Runtime { get; } = bench.NewRuntime();

    public Task InitializeAsync() => Runtime.CheckAsync(default);

    public async Task DisposeAsync() => await bench.EndAsync();

    [Fact]
    public async Task A_started_backend_answers_at_its_address_until_it_is_told_to_stop()
    {
        var start = await bench.StartOf(bench.Serve);
        await Runtime.PrepareAsync(start, default);

        var started = await Runtime.StartAsync(start, default);

        Assert.NotNull(started);
        Assert.Equal($"127.0.0.1:{start.Port.ToString(CultureInfo.InvariantCulture)}", started.Address);
        Assert.Contains("busybox", await GetAsync(started.Address), StringComparison.Ordinal);
        await Runtime.SignalStopAsync(start.Identity, default);
        await Eventually.SeenAsync(_ => bench.IsRunningAsync(start.Identity), running => !running, "it stops");
    }

    [Fact]
    public async Task The_process_that_is_returned_is_the_one_that_runs()
    {
        var start = await bench.StartOf(Sleep);

        var started = await Runtime.StartAsync(start, default);

        var process = new ProcessIdentity(started!.Pid, started.StartTime);
        Assert.True(process.IsRunning);
        Assert.True(process.KillSession() > 0);
        await Eventually.SeenAsync(_ => bench.IsRunningAsync(start.Identity), running => !running, "killing it by pid and start time ends it");
    }

    [Fact]
    public async Task An_exit_code_is_watched_listed_and_known_at_the_end()
    {
        var start = await bench.StartOf("sleep 0.3; exit 7");
        await using var exits = new Exits(Runtime);
        await Runtime.StartAsync(start, default);

        Assert.Equal(7, (await exits.OfAsync(start.Identity)).ExitCode);
        Assert.Equal(7, (await FoundAsync(start.Identity))?.ExitCode);
        Assert.Equal(7, (await Runtime.EnsureGoneAsync(start.Identity, default)).ExitCode);
    }

    [Fact]
    public async Task One_that_dies_at_once_is_started_and_reported()
    {
        var start = await bench.StartOf("exit 3");
        await using var exits = new Exits(Runtime);

        Assert.NotNull(await Runtime.StartAsync(start, default));

        Assert.Equal(3, (await exits.OfAsync(start.Identity)).ExitCode);
        Assert.Equal(FoundState.Exited, (await FoundAsync(start.Identity))?.State);
    }

    [Fact]
    public async Task One_that_ends_by_the_stop_signal_is_reported()
    {
        var start = await bench.StartOf("trap 'exit 5' TERM; while :; do sleep 0.05; done");
        await using var exits = new Exits(Runtime);
        await Runtime.StartAsync(start, default);

        // The shell may not have set its trap yet: the signal is repeated, as an agent may.
        var seen = exits.OfAsync(start.Identity);
        await Eventually.TrueAsync(
            () =>
            {
                Runtime.SignalStopAsync(start.Identity, default).Wait();
                return seen.IsCompleted;
            },
            "its exit is seen");

        Assert.Contains((await seen).ExitCode, (int?[])[5, 143]);
    }

    [Fact]
    public async Task One_that_ignores_the_stop_signal_is_killed()
    {
        // Once it answers it ignores the signal; before, its shell may not have come to that.
        var start = await bench.StartOf($"trap '' TERM; {bench.Serve}");
        var started = await Runtime.StartAsync(start, default);
        await GetAsync(started!.Address);
        await Runtime.SignalStopAsync(start.Identity, default);

        var exit = await Runtime.EnsureGoneAsync(start.Identity, default);

        Assert.Equal(137, exit.ExitCode);
        Assert.False(await bench.IsRunningAsync(start.Identity));
    }

    [Fact]
    public async Task Killing_ends_it_and_is_watched()
    {
        var start = await bench.StartOf(Sleep);
        await using var exits = new Exits(Runtime);
        await Runtime.StartAsync(start, default);

        await Runtime.KillAsync(start.Identity, default);

        await exits.OfAsync(start.Identity);
        await Eventually.SeenAsync(_ => bench.IsRunningAsync(start.Identity), running => !running, "nothing of it runs");
    }

    [Fact]
    public async Task A_last_look_that_says_no_leaves_nothing()
    {
        var start = await bench.StartOf(Sleep, mayStart: () => false);

        Assert.Null(await Runtime.StartAsync(start, default));

        Assert.Empty(await Runtime.ListAsync(default));
        Assert.False(await bench.IsRunningAsync(start.Identity));
    }

    [Fact]
    public async Task Making_sure_may_be_repeated_and_needs_no_start()
    {
        var start = await bench.StartOf(Sleep);
        var never = Bench.NewIdentity();
        await Runtime.StartAsync(start, default);

        var first = await Runtime.EnsureGoneAsync(start.Identity, default);
        var second = await Runtime.EnsureGoneAsync(start.Identity, default);

        Assert.Equal(first, second);
        Assert.Null((await Runtime.EnsureGoneAsync(never, default)).ExitCode);
        await Runtime.SignalStopAsync(never, default);
        await Runtime.KillAsync(never, default);
    }

    [Fact]
    public async Task Making_sure_ends_a_start_that_is_under_way()
    {
        var looked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var go = new ManualResetEventSlim();
        var start = await bench.StartOf(Sleep, mayStart: () =>
        {
            looked.TrySetResult();
            return go.Wait(TimeSpan.FromSeconds(90));
        });
        var starting = Task.Run(() => Runtime.StartAsync(start, default));
        await Eventually.EndsAsync(looked.Task, "the start comes to its last look");

        var gone = Runtime.EnsureGoneAsync(start.Identity, default);
        Assert.False(gone.IsCompleted);
        go.Set();
        await Eventually.EndsAsync(gone, "it is gone");

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => starting);
        Assert.False(await bench.IsRunningAsync(start.Identity));
    }

    [Fact]
    public async Task The_next_agent_finds_what_runs_and_sees_it_end()
    {
        var start = await bench.StartOf(bench.Serve);
        var started = await Runtime.StartAsync(start, default);
        await Runtime.DisposeAsync();

        var next = bench.NewRuntime();
        var found = Assert.Single(await next.ListAsync(default));
        await using var exits = new Exits(next);

        Assert.Equal(new FoundBackend(start.Identity, FoundState.Running, started, null), found);
        await GetAsync(started!.Address);
        await next.KillAsync(start.Identity, default);
        await exits.OfAsync(start.Identity);
    }

    [Fact]
    public async Task A_start_that_a_stopping_agent_gave_up_is_made_by_the_next()
    {
        using var stop = new CancellationTokenSource();
        var start = await bench.StartOf(Sleep, mayStart: () =>
        {
            stop.Cancel();
            return true;
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Runtime.StartAsync(start, stop.Token));
        await Runtime.DisposeAsync();

        var next = bench.NewRuntime();

        Assert.DoesNotContain(await next.ListAsync(default), f => f.State != FoundState.Created);
        await next.EnsureGoneAsync(start.Identity, default);
        Assert.NotNull(await next.StartAsync(start with { MayStart = () => true }, default));
        Assert.True(await bench.IsRunningAsync(start.Identity));
    }

    [Fact]
    public async Task A_start_that_an_agent_died_over_is_made_by_the_next()
    {
        var looked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var over = new ManualResetEventSlim();
        var start = await bench.StartOf(Sleep, mayStart: () =>
        {
            // An agent that is dead does nothing after its look, until the test is over.
            looked.TrySetResult();
            over.Wait(TimeSpan.FromSeconds(90));
            throw new OperationCanceledException("dead for the test");
        });
        var dying = Task.Run(() => Runtime.StartAsync(start, default));
        await Eventually.EndsAsync(looked.Task, "the start comes to its last look");
        var next = bench.NewRuntime();

        Assert.Equal(FoundState.Created, Assert.Single(await next.ListAsync(default)).State);
        await next.EnsureGoneAsync(start.Identity, default);
        Assert.NotNull(await next.StartAsync(start with { MayStart = () => true }, default));

        over.Set();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => dying);
        Assert.True(await bench.IsRunningAsync(start.Identity));
    }

    [Fact]
    public async Task A_repeated_start_returns_what_runs()
    {
        var start = await bench.StartOf(Sleep);
        var first = await Runtime.StartAsync(start, default);

        Assert.Equal(first, await Runtime.StartAsync(start, default));
        Assert.Single(await Runtime.ListAsync(default));
    }

    [Fact]
    public async Task What_has_run_is_not_started_again()
    {
        var start = await bench.StartOf("exit 0");
        await Runtime.StartAsync(start, default);
        await Eventually.SeenAsync(_ => FoundAsync(start.Identity), f => f?.State == FoundState.Exited, "it exits");

        var refused = await Assert.ThrowsAsync<RuntimeFailureException>(() => Runtime.StartAsync(start, default));

        Assert.Contains("has run already", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Usage_is_read_of_those_that_run()
    {
        var busy = await bench.StartOf("while :; do :; done");
        var ended = await bench.StartOf("exit 0");
        await Runtime.StartAsync(busy, default);
        await Runtime.StartAsync(ended, default);
        await Eventually.SeenAsync(_ => FoundAsync(ended.Identity), f => f?.State == FoundState.Exited, "the other exits");

        var usage = await Eventually.SeenAsync(
            token => Runtime.ReadUsageAsync([busy.Identity, ended.Identity, Bench.NewIdentity()], token),
            all => all is [{ CpuNanoseconds: > 50_000_000, MemoryBytes: > 10_000 and < 50_000_000 }],
            "one backend with its use");

        Assert.Equal(busy.Identity, Assert.Single(usage).Backend);
    }

    [Fact]
    public async Task Pruning_removes_what_ended_longer_ago_and_nothing_that_runs()
    {
        var running = await bench.StartOf(Sleep);
        var ended = await bench.StartOf("exit 0");
        await Runtime.StartAsync(running, default);
        await Runtime.StartAsync(ended, default);
        await Runtime.EnsureGoneAsync(ended.Identity, default);

        Assert.Equal(0, await Runtime.PruneAsync(TimeSpan.FromHours(1), default));
        await Eventually.SeenAsync(_ => Runtime.PruneAsync(TimeSpan.Zero, default), removed => removed == 1, "the ended one is removed");
        Assert.Equal(running.Identity, Assert.Single(await Runtime.ListAsync(default)).Backend);
    }

    [Fact]
    public async Task Two_drones_do_not_see_each_other()
    {
        var other = bench.NewRuntime($"{bench.InstanceId}-2");
        var start = await bench.StartOf(Sleep);
        await Runtime.StartAsync(start, default);

        Assert.Empty(await other.ListAsync(default));
        await other.KillAsync(start.Identity, default);
        await other.EnsureGoneAsync(start.Identity, default);
        Assert.Empty(await other.ReadUsageAsync([start.Identity], default));
        Assert.Equal(0, await other.PruneAsync(TimeSpan.Zero, default));
        Assert.True(await bench.IsRunningAsync(start.Identity));
    }

    [Fact]
    public async Task The_environment_is_Planes_and_the_users_and_Planes_wins()
    {
        var env = new Dictionary<string, string>
        {
            ["PORT"] = "1", ["SESSION_BACKEND_ID"] = "x", ["SESSION_BACKEND_KEY"] = "x", ["SESSION_BACKEND_FENCING_TOKEN"] = "x",
            ["SESSION_BACKEND_STATIC_TOKEN"] = "forged", ["MINE"] = "a 'quoted' $value\nof two lines", ["_dir"] = "d", ["mv"] = "m",
        };
        var start = await bench.StartOf("env -0 | tr '\\000' '\\001' >/tmp/$SESSION_BACKEND_ID.html; mkdir -p www; cp /tmp/$SESSION_BACKEND_ID.html www/env.html || :; "
            + "cp /tmp/$SESSION_BACKEND_ID.html /www/env.html 2>/dev/null; rm -f /tmp/$SESSION_BACKEND_ID.html; " + bench.Serve, env: env);
        var started = await Runtime.StartAsync(start, default);

        var seen = (await GetAsync($"{started!.Address}/env.html")).Split('\u0001', StringSplitOptions.RemoveEmptyEntries);

        var expected = bench is DockerBench ? "PORT=8080" : $"PORT={start.Port.ToString(CultureInfo.InvariantCulture)}";
        Assert.Contains(expected, seen);
        Assert.Contains($"SESSION_BACKEND_ID={start.Identity.Backend}", seen);
        Assert.Contains("SESSION_BACKEND_KEY=a room", seen);
        Assert.Contains($"SESSION_BACKEND_FENCING_TOKEN={start.Identity.Token}", seen);
        Assert.Contains("MINE=a 'quoted' $value\nof two lines", seen);
        Assert.Contains("_dir=d", seen);
        Assert.Contains("mv=m", seen);
        Assert.DoesNotContain(seen, v => v.StartsWith("SESSION_BACKEND_STATIC_TOKEN=", StringComparison.Ordinal));
        Assert.DoesNotContain(seen, v => v.StartsWith("DOTNET_", StringComparison.Ordinal) || v.StartsWith("_plane", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_static_token_reaches_the_backend()
    {
        var token = BearerToken.NewStatic();
        var start = await bench.StartOf($"[ \"$SESSION_BACKEND_STATIC_TOKEN\" = '{token.Value}' ] && exit 21; exit 22") with { StaticToken = token };
        await using var exits = new Exits(Runtime);
        await Runtime.StartAsync(start, default);

        Assert.Equal(21, (await exits.OfAsync(start.Identity)).ExitCode);
    }

    [Fact]
    public async Task Many_are_started_and_ended_at_once()
    {
        var starts = new List<BackendStart>();
        for (var i = 0; i < 8; i++)
        {
            starts.Add(await bench.StartOf(Sleep));
        }

        Assert.DoesNotContain(await Task.WhenAll(starts.Select(s => Runtime.StartAsync(s, default))), s => s is null);
        Assert.Equal(8, (await Runtime.ListAsync(default)).Count(f => f.State == FoundState.Running));
        await Task.WhenAll(starts.Select(s => Runtime.EnsureGoneAsync(s.Identity, default)));
        Assert.DoesNotContain(await Runtime.ListAsync(default), f => f.State == FoundState.Running);
    }

    private async Task<FoundBackend?> FoundAsync(BackendIdentity backend) => (await Runtime.ListAsync(default)).SingleOrDefault(f => f.Backend == backend);

    private static Task<string> GetAsync(string address) =>
        Eventually.SeenAsync(token => Http.GetStringAsync(new Uri($"http://{address}"), token), text => text.Length > 0, $"{address} answers");
}
