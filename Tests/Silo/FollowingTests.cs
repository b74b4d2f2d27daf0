using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Plane.Client;
using Plane.Hosting;
using Plane.Testing;

namespace Plane.Tests.Silo;

/// <summary>What follows a backend or a cluster continues where it was after lost connections and after a time without the database.</summary>
public sealed class FollowingTests(ControllerFixture fixture) : IClassFixture<ControllerFixture>
{
    private readonly Controller _controller = fixture.Controller;
    private readonly DroneDouble _drone = fixture.Drone;

    [Fact]
    public async Task A_follower_of_a_backends_status_goes_on()
    {
        var backend = await SpawnAsync();
        await using var front = await CuttingFront.StartAsync(_controller.Http.BaseAddress!);
        using var client = new ControllerClient(front.Url, token: null);
        await front.CutAsync(refusals: 1);
        await using var entries = client.FollowAsync(backend.Backend, CancellationToken.None).GetAsyncEnumerator();
        Assert.Equal(BackendStatus.Scheduled, (await NextAsync(entries)).Status);

        foreach (var status in (BackendStatus[])[BackendStatus.Starting, BackendStatus.Ready])
        {
            await front.CutAsync(refusals: 3);
            await _drone.ReportAsync(backend, status);
            Assert.Equal(status, (await NextAsync(entries)).Status);
            Assert.Equal(0, front.Refusals);
        }

        await _drone.ReportAsync(backend, BackendStatus.Terminated);
        Assert.Equal(BackendStatus.Terminated, (await NextAsync(entries)).Status);
        Assert.False(await Eventually.EndsAsync(entries.MoveNextAsync().AsTask(), "it ends with the backend"));
    }

    [Fact]
    public async Task A_follower_of_events_misses_none_and_sees_none_twice()
    {
        await using var front = await CuttingFront.StartAsync(_controller.Http.BaseAddress!);
        using var client = new ControllerClient(front.Url, token: null);
        var start = (await client.EventsAsync("?limit=1", CancellationToken.None)).Next;
        await using var events = client.FollowEventsAsync(null, start, CancellationToken.None).GetAsyncEnumerator();
        var seen = new List<ClusterEvent>();
        for (var i = 0; i < 3; i++)
        {
            var spawned = (await SpawnAsync()).Backend;
            do
            {
                seen.Add(await NextAsync(events));
            }
            while (seen[^1].BackendId != spawned);

            await front.CutAsync(refusals: 3);
        }

        Assert.Equal(seen.Count, seen.Select(e => e.Id).Distinct().Count());
    }

    [Fact]
    public async Task A_follower_of_logs_goes_on_after_its_last_line()
    {
        await using var controller = await Controller.StartAsync();
        var inspector = new InspectorDouble();
        await inspector.ShowAsync(controller, await controller.AddDroneAsync());
        var backend = BackendRoutesTests.Identity(await controller.ConnectAsync(Requests.Unique("logs")));
        await using var front = await CuttingFront.StartAsync(controller.Http.BaseAddress!);
        using var client = new ControllerClient(front.Url, token: null);
        inspector.Write(1, 1);
        await using var lines = client.LogsAsync(backend.Backend, "tail=10", follow: true, CancellationToken.None).GetAsyncEnumerator();
        for (var i = 1; i <= 3; i++)
        {
            Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"line {i}"), (await NextAsync(lines)).Line?.Text);
            await front.CutAsync(refusals: 3);
            inspector.Write(i + 1, 1);
        }

        GC.KeepAlive(inspector);
    }

    [Fact]
    public async Task What_is_wrong_from_the_beginning_is_said()
    {
        var backend = (await SpawnAsync()).Backend;
        using var nowhere = new ControllerClient(new Uri($"http://127.0.0.1:{FreePort.Next()}/"), token: null);
        await Assert.ThrowsAsync<ControllerUnreachableException>(async () => await nowhere.FollowAsync(backend, CancellationToken.None).FirstAsync());
        await Assert.ThrowsAsync<ControllerUnreachableException>(async () => await nowhere.LogsAsync(backend, "tail=1", follow: true, CancellationToken.None).FirstAsync());

        using var client = new ControllerClient(_controller.Http.BaseAddress!, token: null);
        var refused = await Assert.ThrowsAsync<RefusedException>(async () => await client.FollowAsync(BackendName.Parse("unknown"), CancellationToken.None).FirstAsync());
        Assert.Equal(ErrorKind.NotFound, refused.Error.Kind);
    }

    [Fact]
    public async Task Something_else_at_the_address_is_not_followed()
    {
        await using var app = await ServeAsync(context =>
        {
            context.Response.ContentType = "text/html";
            return context.Response.WriteAsync("<p>Welcome</p>");
        });
        using var client = new ControllerClient(app.BoundAddress(), token: null);
        await Assert.ThrowsAsync<ControllerUnreachableException>(async () => await client.FollowAsync(BackendName.Parse("abc"), CancellationToken.None).FirstAsync());
    }

    [Fact]
    public async Task Logs_that_are_not_followed_fail_when_the_database_is_away()
    {
        var backend = (await SpawnAsync()).Backend;
        await using var front = await CuttingFront.StartAsync(_controller.Http.BaseAddress!);
        using var client = new ControllerClient(front.Url, token: null);
        await front.CutAsync(refusals: 1);
        var refused = await Assert.ThrowsAsync<RefusedException>(async () => await client.LogsAsync(backend, "tail=1", follow: false, CancellationToken.None).FirstAsync());
        Assert.Equal(ErrorKind.DatabaseError, refused.Error.Kind);
    }

    [Fact]
    public async Task Both_ends_of_a_clients_connection_ask_whether_a_silent_peer_is_still_there()
    {
        await using var app = await ServeAsync(context => Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default));
        using var client = new ControllerClient(app.BoundAddress(), token: null);
        using var stop = new CancellationTokenSource();
        var asked = client.StatusAsync(stop.Token);
        await Eventually.SeenAsync(() => TimersOf(app.BoundAddress().Port), t => t == "02 02", "the kernel has a keep-alive timer for both ends");
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
    }

    // The kernel's table of connections (proc_net_tcp): the column "tr" is 02 where only the keep-alive timer runs.
    private static string TimersOf(int port)
    {
        var end = string.Create(CultureInfo.InvariantCulture, $":{port:X4}");
        return string.Join(' ', ((string[])["/proc/net/tcp", "/proc/net/tcp6"])
            .SelectMany(f => File.ReadLines(f).Skip(1))
            .Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(c => c[3] == "01" && (c[1].EndsWith(end, StringComparison.Ordinal) || c[2].EndsWith(end, StringComparison.Ordinal)))
            .Select(c => c[5][..2]));
    }

    private static async Task<WebApplication> ServeAsync(RequestDelegate answer)
    {
        var builder = PlaneHost.CreateWebBuilder("other");
        builder.UsePlaneListener("127.0.0.1", 0);
        var app = builder.Build();
        app.Run(answer);
        await app.StartAsync();
        return app;
    }

    private async Task<BackendIdentity> SpawnAsync() => BackendRoutesTests.Identity(await _controller.ConnectAsync(Requests.Unique("following")));

    private static async Task<T> NextAsync<T>(IAsyncEnumerator<T> items)
    {
        Assert.True(await Eventually.EndsAsync(items.MoveNextAsync().AsTask(), "the next item comes"));
        return items.Current;
    }
}
