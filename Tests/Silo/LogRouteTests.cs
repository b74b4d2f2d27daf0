using System.Net;
using System.Text.Json.Nodes;
using Plane.Testing;

namespace Plane.Tests.Silo;

public sealed class LogRouteTests : IAsyncLifetime
{
    private Controller _controller = null!;
    private DroneDouble _drone = null!;
    private readonly InspectorDouble _inspector = new();
    private string _backend = "";

    public async Task InitializeAsync()
    {
        _controller = await Controller.StartAsync();
        _drone = await _controller.AddDroneAsync();
        await _inspector.ShowAsync(_controller, _drone);
        _backend = (string)(await _controller.ConnectAsync(Requests.Unique("logs")))["backend_id"]!;
    }

    public async Task DisposeAsync()
    {
        GC.KeepAlive(_inspector);
        await _controller.DisposeAsync();
    }

    [Fact]
    public async Task The_last_lines_are_answered_as_text()
    {
        _inspector.Write(1, 200);

        var answer = (await _controller.GetAsync($"/ctrl/b/{_backend}/logs?tail=3")).Expect(HttpStatusCode.OK);

        Assert.Equal("line 198\nline 199\nline 200\n", answer.Text);
        Assert.Equal("text/plain", answer.ContentHeaders.ContentType?.MediaType);
        Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
        Assert.Contains("sandbox", Assert.Single(answer.Headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task On_request_they_are_JSON_lines()
    {
        _inspector.Ring.Add(new OutputLine { Position = 7, Stream = OutputStream.Stderr, Text = "a \u001b[31m<b>\0", Time = DateTimeOffset.UnixEpoch.AddSeconds(1), Dropped = 5, Cut = true });

        var answer = (await _controller.GetAsync($"/ctrl/b/{_backend}/logs", ("Accept", "application/x-ndjson"))).Expect(HttpStatusCode.OK);

        Assert.Equal("application/x-ndjson", answer.ContentHeaders.ContentType?.MediaType);
        var line = JsonNode.Parse(Assert.Single(answer.Text.TrimEnd('\n').Split('\n')))!;
        Assert.Equal(
            (7, 1_000, "stderr", "a \u001b[31m<b>\0", 5, true),
            ((long)line["position"]!, (long)line["time"]!, (string)line["stream"]!, (string)line["text"]!, (long)line["dropped"]!, (bool)line["cut"]!));
    }

    [Fact]
    public async Task As_text_dropped_and_cut_lines_say_so()
    {
        _inspector.Ring.Add(new OutputLine { Position = 7, Stream = OutputStream.Stdout, Text = "x", Dropped = 5, Cut = true });

        var answer = (await _controller.GetAsync($"/ctrl/b/{_backend}/logs")).Expect(HttpStatusCode.OK);

        Assert.Equal("[5 lines were dropped here: the reader was too slow for them]\nx [cut at 65536 bytes]\n", answer.Text);
    }

    [Fact]
    public async Task Followers_get_each_line_until_the_output_ends_and_ask_the_drone_together()
    {
        const int Followers = 100;
        _inspector.Write(1, 10);
        var followers = Enumerable.Range(0, Followers).Select(_ => _controller.GetAsync($"/ctrl/b/{_backend}/logs?follow=true")).ToList();
        await Eventually.TrueAsync(() => _inspector.Requests.ToArray().Count(r => r.After is null) == Followers, "all have read the last lines");
        for (var i = 11; i <= 60; i++)
        {
            _inspector.Write(i, 1);
            await Task.Yield();
        }

        _inspector.Ring.Complete();

        var expected = string.Concat(Enumerable.Range(1, 60).Select(i => $"line {i}\n"));
        foreach (var follower in followers)
        {
            Assert.Equal(expected, (await Eventually.EndsAsync(follower, "a follower's answer ends")).Expect(HttpStatusCode.OK).Text);
        }

        Assert.Equal(1, _inspector.MostReading);
    }

    [Fact]
    public async Task One_that_comes_back_goes_on_after_the_line_that_it_has()
    {
        _inspector.Write(1, 100);
        _inspector.Ring.Complete();

        var answer = (await _controller.GetAsync($"/ctrl/b/{_backend}/logs?follow=true&after=98")).Expect(HttpStatusCode.OK);

        Assert.Equal("line 99\nline 100\n", answer.Text);
    }

    [Fact]
    public async Task Stream_and_time_select_lines_that_follow_too()
    {
        _inspector.Write(1, 2);
        var follower = _controller.GetAsync($"/ctrl/b/{_backend}/logs?follow=true&stream=stderr&since=5000&tail=0");
        await Eventually.TrueAsync(() => _inspector.Requests.ToArray().Any(r => r.After is not null), "it follows");
        _inspector.Write(3, 1, OutputStream.Stderr);
        _inspector.Write(6, 1, OutputStream.Stdout);
        _inspector.Write(7, 1, OutputStream.Stderr);
        _inspector.Ring.Complete();

        Assert.Equal("line 7\n", (await Eventually.EndsAsync(follower, "the answer ends")).Text);
    }

    [Fact]
    public async Task A_drone_that_has_no_output_of_it_is_waited_for_while_it_starts_and_a_404_once_it_has_ended()
    {
        _inspector.IsKnown = false;
        Assert.Equal("", (await _controller.GetAsync($"/ctrl/b/{_backend}/logs")).Expect(HttpStatusCode.OK).Text);
        var follower = _controller.GetAsync($"/ctrl/b/{_backend}/logs?follow=true");
        await Eventually.TrueAsync(() => _inspector.Requests.ToArray().Any(r => r.After is not null), "it follows");
        _inspector.Write(1, 1);
        _inspector.Ring.Complete();
        _inspector.IsKnown = true;
        Assert.Equal("line 1\n", (await Eventually.EndsAsync(follower, "the answer ends")).Text);

        _inspector.IsKnown = false;
        var details = (await _controller.GetAsync($"/ctrl/b/{_backend}")).Json!;
        var identity = new BackendIdentity(BackendName.Parse(_backend), new FencingToken((long)details["key"]!["fencing_token"]!));
        await _drone.ReportAsync(identity, BackendStatus.Terminated, exitCode: 0);
        (await _controller.GetAsync($"/ctrl/b/{_backend}/logs")).ExpectError(HttpStatusCode.NotFound, "NotFound");
        (await _controller.GetAsync($"/ctrl/b/{_backend}/logs?follow=true")).ExpectError(HttpStatusCode.NotFound, "NotFound");
    }

    [Fact]
    public async Task A_drone_that_never_said_where_to_ask_it_is_a_503()
    {
        await using var controller = await Controller.StartAsync();
        await controller.AddDroneAsync();
        var backend = (string)(await controller.ConnectAsync(Requests.Unique("logs")))["backend_id"]!;

        var answer = (await controller.GetAsync($"/ctrl/b/{backend}/logs")).ExpectError(HttpStatusCode.ServiceUnavailable, "Other");

        Assert.Contains("has not said where it can be asked", answer.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tail=-1")]
    [InlineData("tail=10001")]
    [InlineData("tail=many")]
    [InlineData("tail=1&tail=2")]
    [InlineData("follow=yes")]
    [InlineData("stream=both")]
    [InlineData("since=yesterday")]
    [InlineData("since=253402300800000")]
    [InlineData("after=1")]
    [InlineData("after=x&follow=true")]
    public async Task A_wrong_parameter_is_a_400(string query) =>
        (await _controller.GetAsync($"/ctrl/b/{_backend}/logs?{query}")).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");

    [Fact]
    public async Task Nothing_of_it_is_public()
    {
        _inspector.Write(1, 1);
        foreach (var path in (string[])["logs", "output", "events"])
        {
            (await _controller.GetAsync($"/pub/b/{_backend}/{path}")).ExpectError(HttpStatusCode.NotFound, "NotFound");
        }

        Assert.DoesNotContain("line 1", (await _controller.GetAsync($"/pub/b/{_backend}/status")).Text, StringComparison.Ordinal);
        (await _controller.GetAsync("/pub/events")).ExpectError(HttpStatusCode.NotFound, "NotFound");
    }

    [Theory]
    [InlineData("not an address")]
    [InlineData("plane.drone/x")]
    [InlineData("")]
    public async Task A_heartbeat_can_name_no_grain_to_be_called(string inspector) =>
        await Assert.ThrowsAsync<InvalidCallException>(() => _drone.ShowAsync(inspector));
}
