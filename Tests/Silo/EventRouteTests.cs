using System.Net;
using System.Text.Json.Nodes;
using Plane.Testing;

namespace Plane.Tests.Silo;

public sealed class EventRouteTests(ControllerFixture fixture) : IClassFixture<ControllerFixture>
{
    private static readonly (string, string) s_page = ("Accept", "application/json");

    private readonly Controller _controller = fixture.Controller;
    private readonly DroneDouble _drone = fixture.Drone;

    [Fact]
    public async Task A_page_has_what_happened_in_its_order()
    {
        var start = await NextAsync();
        var backend = await SpawnAsync("events");
        await _drone.ReportAsync(backend, BackendStatus.Ready);
        await _drone.DrainAsync();
        await _drone.UndrainAsync();
        await _controller.PostAsync("/ctrl/b/revoke", new JsonObject { ["backend_id"] = backend.Backend.Value });
        await _drone.ReportAsync(backend, BackendStatus.Terminated, TerminationReason.InternalError, exitCode: 3);

        var events = await Eventually.SeenAsync(async _ => await EventsAsync(start), e => e.Length >= 6, "all events are there");

        Assert.Equal(
            ["backend scheduled", "backend ready", "drone_drained ", "drone_undrained ", "token_revoked ", "backend terminated"],
            events.Where(e => (string?)e["backend_id"] == backend.Backend.Value || (string?)e["kind"] is "drone_drained" or "drone_undrained")
                .Select(e => $"{e["kind"]} {e["status"]}"));
        var end = events.Last(e => (string?)e["backend_id"] == backend.Backend.Value);
        Assert.Equal(("internalerror", true, _drone.Name.Value), ((string)end["termination_reason"]!, (bool)end["exit_error"]!, (string)end["drone"]!));
        Assert.StartsWith("events", (string)end["key"]!["name"]!, StringComparison.Ordinal);
        Assert.True((long)end["time"]! > 1_600_000_000_000);
        Assert.DoesNotContain("token_hash", end.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stream_is_resumed_after_the_last_event_without_a_loss_and_without_a_repeat()
    {
        string? last;
        await using (var stream = await EventStream.OpenAsync(_controller.Http, $"/ctrl/events?after={await NextAsync()}"))
        {
            Assert.Equal("text/event-stream", stream.ContentType);
            await SpawnAsync("first");
            var one = (await stream.NextAsync())!;
            last = one.Id;
            Assert.NotNull(last);
        }

        var second = await SpawnAsync("second");
        await using (var stream = await EventStream.OpenAsync(_controller.Http, "/ctrl/events?after=0.0", last))
        {
            var third = await SpawnAsync("third");
            Expect(second, (await stream.NextAsync())!, last);
            Expect(third, (await stream.NextAsync())!, last);
        }
    }

    [Fact]
    public async Task A_stream_without_a_position_begins_now_and_is_kept_alive()
    {
        await SpawnAsync("before");
        await using var stream = await EventStream.OpenAsync(_controller.Http, "/ctrl/events");
        Assert.Equal(":", await stream.NextCommentAsync());

        var after = await SpawnAsync("after");

        Assert.Equal(after.Backend.Value, Backend((await stream.NextAsync())!));
    }

    [Fact]
    public async Task A_stream_that_is_asked_for_while_the_database_is_away_is_refused()
    {
        await using var controller = await Controller.StartAsync();
        controller.Faults.Away();
        (await controller.GetAsync("/ctrl/events?after=0.0")).ExpectError(HttpStatusCode.ServiceUnavailable, "DatabaseError");
    }

    [Fact]
    public async Task Only_those_of_one_cluster_come_on_request()
    {
        var start = await NextAsync();
        await _controller.AddDroneAsync(cluster: "events.example");
        await SpawnAsync("elsewhere");

        var events = await Eventually.SeenAsync(async _ => await EventsAsync(start, "&cluster=events.example"), e => e.Length > 0, "the drone's registration is there");

        Assert.Equal("drone_registered", (string?)Assert.Single(events)["kind"]);
    }

    [Theory]
    [InlineData("after=1", "InvalidRequest")]
    [InlineData("after=1.x", "InvalidRequest")]
    [InlineData("limit=0", "InvalidRequest")]
    [InlineData("limit=1001", "InvalidRequest")]
    [InlineData("cluster=a%20b", "InvalidClusterName")]
    public async Task A_wrong_parameter_is_a_400(string query, string kind) =>
        (await _controller.GetAsync($"/ctrl/events?{query}", s_page)).ExpectError(HttpStatusCode.BadRequest, kind);

    [Fact]
    public async Task A_page_is_as_long_as_asked_for_and_says_where_to_go_on()
    {
        var start = await NextAsync();
        for (var i = 0; i < 5; i++)
        {
            await SpawnAsync($"page-{i}");
        }

        var seen = new List<string>();
        var at = start;
        for (var i = 0; i < 5 && seen.Count < 5; i++)
        {
            var page = (await _controller.GetAsync($"/ctrl/events?after={at}&limit=2", s_page)).Expect(HttpStatusCode.OK).Json!;
            var events = (JsonArray)page["events"]!;
            Assert.InRange(events.Count, 0, 2);
            seen.AddRange(events.Select(e => (string?)e!["key"]?["name"] ?? "").Where(n => n.StartsWith("page-", StringComparison.Ordinal)));
            at = (string)page["next"]!;
        }

        Assert.Equal(5, seen.Distinct().Count());
    }

    private static void Expect(BackendIdentity backend, EventStream.Event happened, string? after) =>
        Assert.True(Backend(happened) == backend.Backend.Value, $"expected {backend.Backend} after {after}, was {happened.Id}: {happened.Data}");

    private static string Backend(EventStream.Event happened) => (string)JsonNode.Parse(happened.Data)!["backend_id"]!;

    private async Task<string> NextAsync() => (string)(await _controller.GetAsync("/ctrl/events?limit=1", s_page)).Expect(HttpStatusCode.OK).Json!["next"]!;

    private async Task<JsonNode[]> EventsAsync(string after, string more = "") =>
        [.. ((JsonArray)(await _controller.GetAsync($"/ctrl/events?after={after}{more}", s_page)).Expect(HttpStatusCode.OK).Json!["events"]!).Select(e => e!)];

    private async Task<BackendIdentity> SpawnAsync(string key)
    {
        var answer = await _controller.ConnectAsync(Requests.Unique(key));
        return new BackendIdentity(BackendName.Parse((string)answer["backend_id"]!), new FencingToken((long)answer["key"]!["fencing_token"]!));
    }
}
