using System.Net;
using System.Text.Json.Nodes;
using Plane.Testing;

namespace Plane.Tests.Silo;

public sealed class StatusStreamTests(ControllerFixture fixture) : IClassFixture<ControllerFixture>
{
    private readonly Controller _controller = fixture.Controller;
    private readonly DroneDouble _drone = fixture.Drone;

    [Fact]
    public async Task The_latest_entry_is_told()
    {
        var backend = await SpawnAsync();
        Assert.Equal("scheduled", (await StatusAsync(backend))["status"]!.GetValue<string>());
        await _drone.ReportAsync(backend, BackendStatus.Terminated, TerminationReason.InternalError, exitCode: 3);

        var entry = await StatusAsync(backend);
        Assert.Equal(["exit_error", "status", "termination_reason", "time"], entry.AsObject().Select(p => p.Key).Order());
        Assert.Equal("terminated", entry["status"]!.GetValue<string>());
        Assert.Equal("internalerror", entry["termination_reason"]!.GetValue<string>());
        Assert.True(entry["exit_error"]!.GetValue<bool>());
        Assert.True(entry["time"]!.GetValue<long>() > 1_600_000_000_000);
    }

    [Theory]
    [InlineData("/pub/b/unknown/status")]
    [InlineData("/pub/b/unknown/status-stream")]
    [InlineData("/pub/c/test.example:9090/b/unknown/status")]
    public async Task An_unknown_backend_is_a_404(string path) => (await _controller.GetAsync(path)).ExpectError(HttpStatusCode.NotFound, "NotFound");

    [Fact]
    public async Task The_routes_with_a_cluster_know_only_its_backends()
    {
        var backend = await SpawnAsync();
        (await _controller.GetAsync($"/pub/c/{Controller.Cluster}/b/{backend.Backend}/status")).Expect(HttpStatusCode.OK);
        (await _controller.GetAsync($"/pub/c/other.example/b/{backend.Backend}/status")).ExpectError(HttpStatusCode.NotFound, "NotFound");
        (await _controller.GetAsync($"/pub/c/other.example/b/{backend.Backend}/status-stream")).ExpectError(HttpStatusCode.NotFound, "NotFound");
        await using var stream = await EventStream.OpenAsync(_controller.Http, $"/pub/c/{Controller.Cluster}/b/{backend.Backend}/status-stream");
        Assert.Equal("scheduled", (await stream.NextAsync())!.Id);
    }

    [Fact]
    public async Task A_stream_tells_the_past_then_the_new_and_ends_after_terminated()
    {
        var backend = await SpawnAsync();
        await _drone.ReportAsync(backend, BackendStatus.Loading);
        await using var stream = await OpenAsync(backend);
        Assert.Equal("text/event-stream", stream.ContentType);
        Assert.Equal("scheduled", (await stream.NextAsync())!.Id);
        Assert.Equal("loading", (await stream.NextAsync())!.Id);

        await _drone.ReportAsync(backend, BackendStatus.Ready);
        var ready = (await stream.NextAsync())!;
        Assert.Equal("ready", ready.Id);
        Assert.Equal("ready", JsonNode.Parse(ready.Data)!["status"]!.GetValue<string>());

        await _drone.ReportAsync(backend, BackendStatus.Terminating, TerminationReason.External, TerminationKind.Soft);
        await _drone.ReportAsync(backend, BackendStatus.Terminated, TerminationReason.External, TerminationKind.Soft);
        Assert.Equal("terminating", (await stream.NextAsync())!.Id);
        var last = (await stream.NextAsync())!;
        Assert.Equal("terminated", last.Id);
        Assert.Equal("external", JsonNode.Parse(last.Data)!["termination_reason"]!.GetValue<string>());
        Assert.Null(await stream.NextAsync());
    }

    [Fact]
    public async Task Last_event_id_resumes_without_repeats()
    {
        var backend = await SpawnAsync();
        await _drone.ReportAsync(backend, BackendStatus.Starting);
        await _drone.ReportAsync(backend, BackendStatus.Ready);
        await using var stream = await OpenAsync(backend, lastEventId: "starting");
        Assert.Equal("ready", (await stream.NextAsync())!.Id);
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("50")]
    public async Task A_last_event_id_that_is_none_of_ours_tells_everything(string id)
    {
        var backend = await SpawnAsync();
        await using var stream = await OpenAsync(backend, id);
        Assert.Equal("scheduled", (await stream.NextAsync())!.Id);
    }

    [Fact]
    public async Task A_reader_that_saw_the_end_is_told_not_to_come_back()
    {
        var backend = await SpawnAsync();
        await _drone.ReportAsync(backend, BackendStatus.Terminated);
        (await _controller.GetAsync($"/pub/b/{backend.Backend}/status-stream", ("Last-Event-ID", "terminated"))).Expect(HttpStatusCode.NoContent);
    }

    [Fact]
    public async Task A_quiet_stream_is_kept_alive_by_comments()
    {
        var backend = await SpawnAsync();
        await using var stream = await OpenAsync(backend);
        Assert.Equal("scheduled", (await stream.NextAsync())!.Id);
        Assert.Equal(":", await stream.NextCommentAsync());
        await _drone.ReportAsync(backend, BackendStatus.Waiting);
        Assert.Equal("waiting", (await stream.NextAsync())!.Id);
    }

    [Fact]
    public async Task Many_readers_of_many_backends_hear_of_their_own()
    {
        var backends = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => SpawnAsync()));
        var streams = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => OpenAsync(backends[i % backends.Length], "scheduled")));
        foreach (var (index, backend) in backends.Index())
        {
            await _drone.ReportAsync(backend, index % 2 == 0 ? BackendStatus.Starting : BackendStatus.Ready);
        }

        foreach (var (index, stream) in streams.Index())
        {
            Assert.Equal(index % 2 == 0 ? "starting" : "ready", (await stream.NextAsync())!.Id);
            await stream.DisposeAsync();
        }
    }

    [Fact]
    public async Task Streams_beyond_the_limit_are_refused_and_a_closed_one_makes_room()
    {
        await using var controller = await Controller.StartAsync(o => o.MaxStatusStreams = 1);
        await controller.AddDroneAsync();
        var path = $"/pub/b/{(await controller.ConnectAsync("k"))["backend_id"]!.GetValue<string>()}/status-stream";
        var first = await EventStream.OpenAsync(controller.Http, path);
        await first.NextAsync();
        (await controller.GetAsync(path)).ExpectError(HttpStatusCode.ServiceUnavailable, "Other");

        await first.DisposeAsync();
        await Eventually.SeenAsync(
            async _ =>
            {
                try
                {
                    await using var again = await EventStream.OpenAsync(controller.Http, path);
                    return true;
                }
                catch (HttpRequestException)
                {
                    return false;
                }
            },
            opened => opened,
            "the closed stream's place is free");
    }

    [Fact]
    public async Task A_stop_of_the_controller_ends_open_streams()
    {
        await using var controller = await Controller.StartAsync();
        await controller.AddDroneAsync();
        var id = (await controller.ConnectAsync("k"))["backend_id"]!.GetValue<string>();
        await using var stream = await EventStream.OpenAsync(controller.Http, $"/pub/b/{id}/status-stream");
        Assert.Equal("scheduled", (await stream.NextAsync())!.Id);
        await Eventually.EndsAsync(controller.StopAsync(), "the controller stops though a stream is open");
    }

    [Fact]
    public async Task An_outage_of_the_database_does_not_end_a_stream()
    {
        await using var controller = await Controller.StartAsync(o => o.StreamKeepAlive = TimeSpan.FromMilliseconds(100));
        var drone = await controller.AddDroneAsync();
        var response = await controller.ConnectAsync("k");
        await using var stream = await EventStream.OpenAsync(controller.Http, $"/pub/b/{response["backend_id"]!.GetValue<string>()}/status-stream");
        Assert.Equal("scheduled", (await stream.NextAsync())!.Id);

        controller.Faults.Away();
        Assert.Equal(":", await stream.NextCommentAsync());
        controller.Faults.Heal();
        await drone.ReportAsync(BackendRoutesTests.Identity(response), BackendStatus.Ready);
        Assert.Equal("ready", (await stream.NextAsync())!.Id);
    }

    private async Task<BackendIdentity> SpawnAsync() => BackendRoutesTests.Identity(await _controller.ConnectAsync(Requests.Unique("s")));

    private async Task<JsonNode> StatusAsync(BackendIdentity backend) =>
        (await _controller.GetAsync($"/pub/b/{backend.Backend}/status")).Expect(HttpStatusCode.OK).Json!;

    private Task<EventStream> OpenAsync(BackendIdentity backend, string? lastEventId = null) =>
        EventStream.OpenAsync(_controller.Http, $"/pub/b/{backend.Backend}/status-stream", lastEventId);
}
