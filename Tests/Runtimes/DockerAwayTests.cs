using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Runtimes.Docker;
using Plane.DroneHost.Runtimes.Output;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

/// <summary>An engine that is away, wedged, cut off, or none at all.</summary>
public sealed class DockerAwayTests : IAsyncLifetime
{
    private const string Version = """{"ApiVersion":"1.52","MinAPIVersion":"1.44"}""";

    private readonly DockerBench _bench = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _bench.EndAsync();

    [Fact]
    public async Task A_socket_that_is_not_there_is_named()
    {
        await using var runtime = At("unix:///nowhere/docker.sock");

        var away = await Assert.ThrowsAsync<RuntimeUnavailableException>(() => runtime.CheckAsync(default));

        Assert.Contains("unix:///nowhere/docker.sock did not answer /version: there is no such socket.", away.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<RuntimeUnavailableException>(() => runtime.EnsureGoneAsync(Bench.NewIdentity(), default));
        await Assert.ThrowsAsync<RuntimeUnavailableException>(() => runtime.ListAsync(default));
    }

    [Theory]
    [InlineData("SSH-2.0-OpenSSH_9.2\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<html>hi!")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"ApiVersion\":")]
    [InlineData("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("")]
    public async Task What_answers_with_junk_is_no_engine(string answer)
    {
        await using var fake = new FakeEngine(_ => answer);
        await using var runtime = At(fake.Host);

        await Assert.ThrowsAsync<RuntimeUnavailableException>(() => Eventually.EndsAsync(runtime.CheckAsync(default), "it is answered"));
    }

    [Fact]
    public async Task One_that_hangs_is_given_up_in_time()
    {
        await using var fake = new FakeEngine(_ => null);
        await using var runtime = At(fake.Host);

        var away = await Assert.ThrowsAsync<RuntimeUnavailableException>(() => Eventually.EndsAsync(runtime.CheckAsync(default), "it is given up"));

        Assert.Contains("took too long", away.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_engine_that_is_too_old_is_told_so()
    {
        await using var fake = new FakeEngine(_ => FakeEngine.Json(200, """{"ApiVersion":"1.40","MinAPIVersion":"1.12"}"""));
        await using var runtime = At(fake.Host);

        var away = await Assert.ThrowsAsync<RuntimeUnavailableException>(() => runtime.CheckAsync(default));

        Assert.Contains("1.40", away.Message, StringComparison.Ordinal);
        Assert.Contains("1.41", away.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_newer_engine_is_spoken_to_in_the_oldest_version_that_it_knows()
    {
        var lines = new System.Collections.Concurrent.ConcurrentQueue<string>();
        await using var fake = new FakeEngine(line =>
        {
            lines.Enqueue(line);
            return FakeEngine.Json(200, Version);
        });
        await using var runtime = At(fake.Host);

        await runtime.CheckAsync(default);

        Assert.Contains("GET /v1.44/_ping HTTP/1.1", lines);
    }

    [Theory]
    [InlineData("/containers/json", "200 OK")]
    [InlineData("/containers/json", "500 Oops")]
    [InlineData("/images/create", "200 OK")]
    public async Task An_answer_without_an_end_is_given_up(string call, string status)
    {
        await using var fake = new FakeEngine(line => line.Contains(call, StringComparison.Ordinal) ? $"HTTP/1.1 {status}\r\n\r\n"
            : line.Contains("/images/", StringComparison.Ordinal) ? FakeEngine.Json(404, """{"message":"no such image"}""")
            : FakeEngine.Json(200, Version))
        {
            Endless = call,
            More = $"{{\"status\":\"{new string('x', 8_000)}\"}}\r\n",
        };
        await using var runtime = At(fake.Host, TimeSpan.FromMinutes(2));
        var start = await _bench.StartOf("") with { Executable = new Executable { Image = "a", PullPolicy = PullPolicy.IfNotPresent } };

        var away = await Assert.ThrowsAsync<RuntimeUnavailableException>(
            () => call == "/images/create" ? runtime.PrepareAsync(start, default) : runtime.ListAsync(default));

        Assert.Contains($"did not answer {call}", away.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("took too long", away.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_redirect_is_not_an_answer()
    {
        await using var fake = new FakeEngine(line => line.Contains("/version", StringComparison.Ordinal)
            ? FakeEngine.Json(200, Version)
            : "HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
        await using var runtime = At(fake.Host);

        var away = await Assert.ThrowsAsync<RuntimeUnavailableException>(() => runtime.CheckAsync(default));

        Assert.Contains("it answered 301", away.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""[{"Id":"a","Created":true}]""")]
    [InlineData("""[{"Id":"a","Created":9223372036854775807}]""")]
    [InlineData("""[{"Id":"a","Labels":[]}]""")]
    [InlineData("null")]
    public async Task A_listing_that_cannot_be_read_leaves_it_unknown_what_runs(string listing)
    {
        await using var fake = new FakeEngine(line => FakeEngine.Json(200, line.Contains("/version", StringComparison.Ordinal) ? Version : listing));
        await using var runtime = At(fake.Host);

        var away = await Assert.ThrowsAsync<RuntimeUnavailableException>(() => runtime.ListAsync(default));

        Assert.Contains("did not answer /containers/json", away.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_line_of_the_event_stream_that_is_too_long_opens_the_stream_anew()
    {
        var streams = 0;
        await using var fake = new FakeEngine(line =>
        {
            if (!line.Contains("/events", StringComparison.Ordinal))
            {
                return FakeEngine.Json(200, line.Contains("/version", StringComparison.Ordinal) ? Version : "[]");
            }

            Interlocked.Increment(ref streams);
            return "HTTP/1.1 200 OK\r\n\r\n{";
        }) { Endless = "/events" };
        await using var runtime = At(fake.Host, TimeSpan.FromMinutes(2));
        await using var exits = new Exits(runtime);

        await Eventually.TrueAsync(() => Volatile.Read(ref streams) > 1, "the stream is opened again");
    }

    [Fact]
    public async Task A_runtime_that_the_engine_does_not_have_is_found_at_the_check()
    {
        _bench.Configure = o => o.Runtime = "no-such-runtime";

        var away = await Assert.ThrowsAsync<RuntimeUnavailableException>(() => _bench.NewRuntime().CheckAsync(default));

        Assert.Contains("no-such-runtime", away.Message, StringComparison.Ordinal);
        Assert.Contains("runc", away.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_start_request_that_arrives_after_its_backend_was_made_sure_to_be_gone_starts_nothing()
    {
        await using var proxy = await EngineProxy.StartAsync();
        _bench.Configure = o => o.Host = proxy.Host;
        var runtime = _bench.NewRuntime();
        var start = await _bench.StartOf("exec sleep 1000");
        proxy.Hold = "/start ";
        using var cancel = new CancellationTokenSource();
        var starting = runtime.StartAsync(start, cancel.Token);
        await Eventually.TrueAsync(() => proxy.Held == 1, "the start is on its way");
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => starting);

        await runtime.EnsureGoneAsync(start.Identity, default);
        await proxy.ReleaseAsync();

        Assert.Null(await (await DockerEngine.SharedAsync()).InspectAsync(DockerBench.NameOf(start.Identity)));
    }

    [Fact]
    public async Task A_former_agents_start_request_starts_nothing_after_the_next_has_made_sure()
    {
        await using var proxy = await EngineProxy.StartAsync();
        _bench.Configure = o => o.Host = proxy.Host;
        var former = _bench.NewRuntime();
        _bench.Configure = _ => { };
        var next = _bench.NewRuntime();
        var start = await _bench.StartOf("exec sleep 1000");
        proxy.Hold = "/start ";
        var starting = former.StartAsync(start, default);
        await Eventually.TrueAsync(() => proxy.Held == 1, "the start is on its way");

        await next.EnsureGoneAsync(start.Identity, default);
        await proxy.ReleaseAsync();

        await Assert.ThrowsAnyAsync<Exception>(() => starting);
        Assert.False(await _bench.IsRunningAsync(start.Identity));
    }

    [Fact]
    public async Task A_container_whose_start_was_not_answered_does_not_stay()
    {
        await using var proxy = await EngineProxy.StartAsync();
        _bench.Configure = o => o.Host = proxy.Host;
        var start = await _bench.StartOf("exec sleep 1000");
        proxy.Swallow = "/start ";
        using var cancel = new CancellationTokenSource();
        var starting = _bench.NewRuntime().StartAsync(start, cancel.Token);
        await Eventually.SeenAsync(_ => _bench.IsRunningAsync(start.Identity), running => running, "the engine has started it");

        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => starting);

        Assert.False(await _bench.IsRunningAsync(start.Identity));
    }

    [Fact]
    public async Task Starting_takes_three_calls()
    {
        await using var proxy = await EngineProxy.StartAsync();
        _bench.Configure = o => o.Host = proxy.Host;
        var runtime = _bench.NewRuntime();
        await runtime.CheckAsync(default);
        proxy.Requests.Clear();

        await runtime.StartAsync(await _bench.StartOf("exec sleep 1000"), default);

        Assert.Collection(
            proxy.Requests,
            create => Assert.Contains("/containers/create", create, StringComparison.Ordinal),
            begin => Assert.Contains("/start ", begin, StringComparison.Ordinal),
            inspect => Assert.Contains("/json ", inspect, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Exits_while_the_event_stream_is_broken_are_reported_after_it()
    {
        await using var proxy = await EngineProxy.StartAsync();
        _bench.Configure = o => o.Host = proxy.Host;
        var runtime = _bench.NewRuntime();
        var stays = await _bench.StartOf("exec sleep 1000");
        var goes = await _bench.StartOf("exec sleep 1000");
        await runtime.StartAsync(stays, default);
        await runtime.StartAsync(goes, default);
        await using var exits = new Exits(runtime);
        await Eventually.TrueAsync(() => proxy.Requests.Any(r => r.Contains("/events", StringComparison.Ordinal)), "events are watched");

        proxy.Refuse = true;
        proxy.Cut();
        var engine = await DockerEngine.SharedAsync();
        await engine.KillAsync(DockerBench.NameOf(stays.Identity));
        await engine.RemoveAsync(DockerBench.NameOf(goes.Identity));
        proxy.Refuse = false;

        Assert.Equal(137, (await exits.OfAsync(stays.Identity)).ExitCode);
        await exits.OfAsync(goes.Identity);
    }

    [Fact]
    public async Task A_missing_engine_is_no_failure_of_the_backend()
    {
        await using var runtime = At("unix:///nowhere/docker.sock");
        var start = await _bench.StartOf("");

        await Assert.ThrowsAsync<RuntimeUnavailableException>(() => runtime.PrepareAsync(start, default));
        await Assert.ThrowsAsync<RuntimeUnavailableException>(() => runtime.StartAsync(start, default));
    }

    /// <summary>It is the engine's trouble: none of it says anything of the backend, and each may be asked again.</summary>
    [Theory]
    [InlineData("listener")]
    [InlineData("output")]
    [InlineData("image")]
    public async Task An_engine_that_answers_with_an_error_of_its_own_is_unavailable(string question)
    {
        var backend = Bench.NewIdentity();
        await using var fake = new FakeEngine(line => line.Contains("/version", StringComparison.Ordinal) ? FakeEngine.Json(200, Version)
            : line.Contains("/containers/json", StringComparison.Ordinal) ? FakeEngine.Json(200, Listing(backend))
            : FakeEngine.Json(500, """{"message":"database is locked: for the test"}"""));
        await using var runtime = At(fake.Host);
        var start = await _bench.StartOf("") with { Executable = new Executable { Image = "a", PullPolicy = PullPolicy.IfNotPresent } };

        var away = await Assert.ThrowsAsync<RuntimeUnavailableException>(async () =>
        {
            switch (question)
            {
                case "listener":
                    await runtime.LookAtListenerAsync(backend, "127.0.0.1:1", default);
                    break;
                case "output":
                    await (await runtime.ReadOutputAsync(backend, new OutputSelection(), default))!.ToListAsync();
                    break;
                default:
                    await runtime.PrepareAsync(start, default);
                    break;
            }
        });

        Assert.Contains("database is locked: for the test", away.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("unix://relative")]
    [InlineData("npipe:////./pipe/docker_engine")]
    [InlineData("tcp://")]
    [InlineData("tcp://host:1/path")]
    [InlineData("")]
    public void A_host_that_is_no_address_is_a_problem_of_the_options(string host) =>
        Assert.Contains("docker host", Assert.Single(new DockerRuntimeOptions { Host = host, InstanceId = "i", OutputDirectory = "/" }.Problems()), StringComparison.Ordinal);

    [Fact]
    public async Task A_container_over_which_the_engine_fails_hides_no_exit_of_another()
    {
        var (broken, ended) = (Bench.NewIdentity(), Bench.NewIdentity());
        await using var fake = new FakeEngine(line => line switch
        {
            _ when line.Contains("/events", StringComparison.Ordinal) => "HTTP/1.1 200 X\r\nContent-Type: application/json\r\n\r\n",
            _ when line.Contains("/version", StringComparison.Ordinal) => FakeEngine.Json(200, Version),
            _ when line.Contains("/containers/json", StringComparison.Ordinal) => FakeEngine.Json(200, $"[{Container("a", broken, "exited")},{Container("b", ended, "exited")}]"),
            _ when line.Contains("/containers/b/json", StringComparison.Ordinal) => FakeEngine.Json(200, """{"Id":"b","State":{"Status":"exited","Running":false,"ExitCode":3,"FinishedAt":"2026-01-01T00:00:00Z"}}"""),
            _ => FakeEngine.Json(500, """{"message":"RWLayer of container a is unexpectedly nil"}"""),
        }) { Open = "/events" };
        await using var runtime = At(fake.Host);
        await using var exits = new Exits(runtime);

        Assert.Equal(3, (await exits.OfAsync(ended)).ExitCode);
    }

    private string Listing(BackendIdentity backend) => $"[{Container("0123456789abcdef", backend, "running")}]";

    private string Container(string id, BackendIdentity backend, string state)
    {
        var labels = new Dictionary<string, string>
        {
            ["dev.plane.backend"] = "true",
            ["dev.plane.drone"] = _bench.InstanceId,
            ["dev.plane.backend.name"] = backend.Backend.Value,
            ["dev.plane.backend.token"] = backend.Token.ToString(),
        };
        return JsonSerializer.Serialize(new { Id = id, State = state, Labels = labels, Names = (string[])["/x"], Created = 1 });
    }

    private DockerRuntime At(string host, TimeSpan? callTimeout = null) => new(
        new DockerRuntimeOptions
        {
            Host = host,
            InstanceId = _bench.InstanceId,
            OutputDirectory = _bench.Directory["containers"],
            CallTimeout = callTimeout ?? TimeSpan.FromSeconds(1),
        },
        TimeProvider.System,
        NullLogger<DockerRuntime>.Instance);
}
