using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Plane.Hosting;
using Plane.Testing;

namespace Plane.Tests.Cli;

/// <summary>What <c>plane connect</c> shows of a backend that is slow or fails, against a controller of the test's own.</summary>
public sealed class ConnectTests
{
    private const string Hint = "It does not listen on 127.0.0.1:20001 yet. It listens on 127.0.0.1:3000 instead.";

    [Fact]
    public async Task A_hint_is_shown_once_while_it_waits_and_the_last_output_when_it_has_ended()
    {
        await using var controller = await FakeController.StartAsync(BackendStatus.Terminated);
        var (code, lines) = await controller.PlaneAsync("connect", "--key", "k", "--command", "x");
        Assert.True(code == 1, string.Join('\n', lines));
        Assert.Contains("status\tterminated", lines);
        Assert.Single(lines, Hint);
        Assert.Contains("plane: the backend has ended and was never ready (exited with an error, exit code 7): It exited before it was ready.", lines);
        Assert.Contains("  | Error: cannot find module 'express'", lines);
        Assert.Contains("plane: see plane backend 2t3b7n2h0encxl", lines);

        (code, lines) = await controller.PlaneAsync("backend", "2t3b7n2h0encxl");
        Assert.Equal(0, code);
        Assert.Contains("  | Error: cannot find module 'express'", lines);
    }

    [Fact]
    public async Task One_that_becomes_ready_after_all_is_connected_to()
    {
        await using var controller = await FakeController.StartAsync(BackendStatus.Ready);
        var (code, lines) = await controller.PlaneAsync("connect", "--key", "k", "--command", "x");
        Assert.True(code == 0, string.Join('\n', lines));
        Assert.Contains("status\tready", lines);
        Assert.Contains("browser url\thttp://sub.localhost:9090/.plane/enter?token=token&to=/", lines);
        Assert.Single(lines, Hint);
        Assert.DoesNotContain(lines, l => l.StartsWith("plane:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task One_that_is_ending_already_is_refused()
    {
        await using var controller = await FakeController.StartAsync(BackendStatus.Terminated, now: BackendStatus.Terminating);
        var (code, lines) = await controller.PlaneAsync("connect", "--key", "k", "--json");
        Assert.Equal(1, code);
        Assert.Contains(lines, l => l.Contains("\"status\":\"terminating\"", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("plane: the backend is ending", StringComparison.Ordinal));
    }

    /// <summary>Answers a connect with a backend that waits until its hint was read twice, and then is what the test says.</summary>
    private sealed class FakeController(WebApplication app, BackendStatus end, BackendStatus now) : IAsyncDisposable
    {
        private static readonly BackendName s_backend = BackendName.Parse("2t3b7n2h0encxl");
        private static readonly KeyInfo s_key = new() { Name = "k", Namespace = "", Tag = "", FencingToken = new FencingToken(1) };

        private readonly TaskCompletionSource _hintWasRead = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _reads;
        private BackendStatus _now = now;

        public static async Task<FakeController> StartAsync(BackendStatus end, BackendStatus now = BackendStatus.Waiting)
        {
            var builder = PlaneHost.CreateWebBuilder("fake-controller");
            builder.UsePlaneListener("127.0.0.1", 0);
            var app = builder.Build();
            var controller = new FakeController(app, end, now);
            app.MapPost("/ctrl/connect", () => Json(new ConnectResponse
            {
                BackendId = s_backend,
                Spawned = true,
                Status = controller._now,
                Token = BearerToken.NewRandom(),
                Url = "http://localhost:9090/token/",
                StatusUrl = "http://localhost:8080/status",
                BrowserUrl = "http://sub.localhost:9090/.plane/enter?token=token&to=/",
                Key = s_key,
            }));
            app.MapGet("/pub/b/2t3b7n2h0encxl/status-stream", controller.StreamAsync);
            app.MapGet("/ctrl/b/2t3b7n2h0encxl", controller.Describe);
            await app.StartAsync();
            return controller;
        }

        public ValueTask DisposeAsync() => app.DisposeAsync();

        public Task<(int ExitCode, IReadOnlyList<string> Lines)> PlaneAsync(params string[] arguments) =>
            RunningProgram.RunAsync(Checkout.Dotnet, [Checkout.Cli, .. arguments, "--controller", app.BoundAddress().AbsoluteUri]);

        private async Task StreamAsync(HttpContext context)
        {
            context.Response.ContentType = "text/event-stream";
            await SendAsync(context, BackendStatus.Scheduled);
            await SendAsync(context, BackendStatus.Waiting);
            await _hintWasRead.Task.WaitAsync(context.RequestAborted);
            _now = end;
            await SendAsync(context, end);
        }

        private ContentHttpResult Describe()
        {
            if (Interlocked.Increment(ref _reads) >= 2)
            {
                _hintWasRead.TrySetResult();
            }

            var hasEnded = _now == BackendStatus.Terminated;
            return Json(new BackendDetails
            {
                BackendId = s_backend,
                Cluster = ClusterName.Parse("localhost:9090"),
                Drone = DroneName.Parse("dr-dnvt39u0pj2jsh"),
                Key = s_key,
                HoldsKey = !hasEnded,
                Status = _now,
                StatusTime = default,
                CreatedAt = default,
                Executor = ExecutorKind.Process,
                ExitCode = hasEnded ? 7 : null,
                Message = hasEnded ? "It exited before it was ready." : Hint,
                OutputTail = hasEnded ? "node:internal\nError: cannot find module 'express'" : null,
                History = hasEnded ? [Entry(BackendStatus.Terminated)] : [Entry(BackendStatus.Waiting)],
            });
        }

        private static async Task SendAsync(HttpContext context, BackendStatus status)
        {
            await context.Response.WriteAsync($"data: {JsonSerializer.Serialize(Entry(status), PlaneJson.Http)}\n\n");
            await context.Response.Body.FlushAsync();
        }

        private static StatusEntry Entry(BackendStatus status) => new() { Status = status, Time = default, ExitError = status == BackendStatus.Terminated ? true : null };

        private static ContentHttpResult Json<T>(T value) => TypedResults.Text(JsonSerializer.Serialize(value, PlaneJson.Http), "application/json");
    }
}
