using System.Net;
using System.Text.Json.Nodes;

namespace Plane.Tests.Silo;

public sealed class BackendRoutesTests(ControllerFixture fixture) : IClassFixture<ControllerFixture>
{
    private readonly Controller _controller = fixture.Controller;

    [Theory]
    [InlineData("soft-terminate", TerminationKind.Soft)]
    [InlineData("hard-terminate", TerminationKind.Hard)]
    public async Task Terminating_queues_the_end_and_may_be_repeated(string route, TerminationKind kind)
    {
        var backend = await SpawnAsync();
        for (var i = 0; i < 2; i++)
        {
            var answer = (await _controller.PostAsync($"/ctrl/b/{backend.Backend}/{route}")).Expect(HttpStatusCode.OK);
            Assert.Equal("null", answer.Text);
            Assert.Equal("application/json", answer.ContentHeaders.ContentType?.MediaType);
        }

        var end = Assert.Single(await fixture.Drone.ActionsAsync(), a => a.Identity == backend && a.Kind == DroneActionKind.Terminate);
        Assert.Equal(kind, end.Terminate!.Kind);
    }

    [Fact]
    public async Task Terminating_within_a_cluster_ends_only_backends_of_it()
    {
        var backend = await SpawnAsync();
        (await _controller.PostAsync($"/ctrl/c/other.example/b/{backend.Backend}/soft-terminate")).ExpectError(HttpStatusCode.NotFound, "NotFound");
        (await _controller.PostAsync($"/ctrl/c/other.example/b/{backend.Backend}/hard-terminate")).ExpectError(HttpStatusCode.NotFound, "NotFound");
        Assert.DoesNotContain(await fixture.Drone.ActionsAsync(), a => a.Identity == backend && a.Kind == DroneActionKind.Terminate);

        (await _controller.PostAsync($"/ctrl/c/{Controller.Cluster}/b/{backend.Backend}/soft-terminate")).Expect(HttpStatusCode.OK);
        (await _controller.PostAsync($"/ctrl/c/{Controller.Cluster}/b/{backend.Backend}/hard-terminate")).Expect(HttpStatusCode.OK);
        Assert.Contains(await fixture.Drone.ActionsAsync(), a => a.Identity == backend && a.Terminate?.Kind == TerminationKind.Hard);
    }

    [Theory]
    [InlineData("/ctrl/b/unknown-backend/soft-terminate")]
    [InlineData("/ctrl/b/unknown-backend/hard-terminate")]
    [InlineData("/ctrl/b/unknown-backend/prevent-renew")]
    public async Task An_unknown_backend_is_a_404(string path) => (await _controller.PostAsync(path)).ExpectError(HttpStatusCode.NotFound, "NotFound");

    [Fact]
    public async Task Preventing_renewal_shows_in_the_details()
    {
        var backend = await SpawnAsync();
        Assert.Equal("null", (await _controller.PostAsync($"/ctrl/b/{backend.Backend}/prevent-renew")).Expect(HttpStatusCode.OK).Text);
        Assert.False((await DescribeAsync(backend))["allow_renew"]!.GetValue<bool>());
    }

    [Fact]
    public async Task Revoking_answers_as_the_reference_does()
    {
        var backend = await SpawnAsync();
        foreach (var body in (JsonObject[])[new() { ["user"] = "u" }, new() { ["token"] = new string('a', 43) }, []])
        {
            body["backend_id"] = backend.Backend.Value;
            var answer = (await _controller.PostAsync("/ctrl/b/revoke", body)).Expect(HttpStatusCode.OK);
            Assert.Equal("\"Token revoked successfully\"", answer.Text);
        }
    }

    [Fact]
    public async Task Revoking_for_an_unknown_backend_is_a_404() =>
        (await _controller.PostAsync("/ctrl/b/revoke", new JsonObject { ["backend_id"] = "unknown", ["user"] = "u" }))
            .ExpectError(HttpStatusCode.NotFound, "NotFound");

    [Theory]
    [InlineData("user")]
    [InlineData("token")]
    [InlineData("all")]
    public async Task A_revoked_token_leads_nowhere(string how)
    {
        var key = Requests.Unique("revoke");
        var mine = await _controller.ConnectAsync(key, r => r["user"] = "mallory");
        var others = await _controller.ConnectAsync(key, r => r["user"] = "alice");
        await fixture.Drone.ReportAsync(Identity(mine), BackendStatus.Ready);
        var body = new JsonObject { ["backend_id"] = mine["backend_id"]!.GetValue<string>() };
        if (how != "all")
        {
            body[how] = how == "user" ? "mallory" : mine["token"]!.GetValue<string>();
        }

        (await _controller.PostAsync("/ctrl/b/revoke", body)).Expect(HttpStatusCode.OK);

        Assert.False(await LeadsSomewhereAsync(mine));
        Assert.Equal(how != "all", await LeadsSomewhereAsync(others));
    }

    [Fact]
    public async Task The_details_say_everything_but_secrets()
    {
        var key = Requests.Unique("details");
        var response = await _controller.ConnectAsync(key, r =>
        {
            r.Executable()["env"] = new JsonObject { ["SECRET"] = "env-secret-value" };
            r.Spawn()["max_idle_seconds"] = 77;
        });
        await fixture.Drone.ReportAsync(Identity(response), BackendStatus.Ready);
        var details = await DescribeAsync(Identity(response));

        Assert.Equal(key, details["key"]!["name"]!.GetValue<string>());
        Assert.Equal("ready", details["status"]!.GetValue<string>());
        Assert.Equal(Controller.Cluster, details["cluster"]!.GetValue<string>());
        Assert.Equal(fixture.Drone.Name.Value, details["drone"]!.GetValue<string>());
        Assert.Equal("127.0.0.1:31000", details["address"]!.GetValue<string>());
        Assert.Equal(77, details["max_idle_seconds"]!.GetValue<int>());
        Assert.True(details["holds_key"]!.GetValue<bool>());
        Assert.True(details["created_at"]!.GetValue<long>() > 1_600_000_000_000);
        Assert.Equal(["scheduled", "ready"], details["history"]!.AsArray().Select(e => e!["status"]!.GetValue<string>()));
        foreach (var secret in (string[])[response["token"]!.GetValue<string>(), response["secret_token"]!.GetValue<string>(), "env-secret-value"])
        {
            Assert.DoesNotContain(secret, details.ToJsonString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_details_of_an_unknown_backend_are_a_404() =>
        (await _controller.GetAsync("/ctrl/b/unknown-backend")).ExpectError(HttpStatusCode.NotFound, "NotFound");

    [Fact]
    public async Task The_list_is_filtered()
    {
        var key = Requests.Unique("filter");
        var backend = Identity(await _controller.ConnectAsync(key));
        var other = await SpawnAsync();
        await fixture.Drone.ReportAsync(backend, BackendStatus.Waiting);

        var drone = fixture.Drone.Name;
        Assert.Equal([backend.Backend.Value], await ListAsync($"key={key}"));
        Assert.Equal([backend.Backend.Value], await ListAsync($"key={key}&status=waiting&cluster={Controller.Cluster}&drone={drone}"));
        Assert.Empty(await ListAsync($"key={key}&status=ready"));
        Assert.Empty(await ListAsync($"key={key}&cluster=other.example"));
        Assert.Empty(await ListAsync($"key={key}&drone=dr-other"));
        Assert.Contains(other.Backend.Value, await ListAsync($"drone={drone}&limit=1000"));
    }

    [Fact]
    public async Task The_list_is_read_page_by_page_newest_first()
    {
        await using var controller = await Controller.StartAsync();
        await controller.AddDroneAsync();
        var made = new List<string>();
        for (var i = 0; i < 7; i++)
        {
            made.Add((await controller.ConnectAsync($"k{i}"))["backend_id"]!.GetValue<string>());
        }

        var seen = new List<string>();
        string? cursor = null;
        do
        {
            var page = (await controller.GetAsync($"/ctrl/backends?limit=3&cursor={Uri.EscapeDataString(cursor ?? "")}")).Expect(HttpStatusCode.OK).Json!;
            Assert.InRange(page["backends"]!.AsArray().Count, 1, 3);
            seen.AddRange(page["backends"]!.AsArray().Select(b => b!["backend_id"]!.GetValue<string>()));
            cursor = page["next_cursor"]?.GetValue<string>();
        }
        while (cursor is not null);

        made.Reverse();
        Assert.Equal(made, seen);
    }

    private async Task<BackendIdentity> SpawnAsync() => Identity(await _controller.ConnectAsync(Requests.Unique("b")));

    private async Task<JsonNode> DescribeAsync(BackendIdentity backend) =>
        (await _controller.GetAsync($"/ctrl/b/{backend.Backend}")).Expect(HttpStatusCode.OK).Json!;

    private async Task<IEnumerable<string>> ListAsync(string query) =>
        (await _controller.GetAsync("/ctrl/backends?" + query)).Expect(HttpStatusCode.OK).Json!["backends"]!.AsArray()
            .Select(b => b!["backend_id"]!.GetValue<string>()).ToArray();

    private async Task<bool> LeadsSomewhereAsync(JsonNode response)
    {
        var token = BearerToken.Parse(response["token"]!.GetValue<string>());
        var reply = await _controller.Grains.GetGrain<IRouteGrain>(GrainKeys.Route()).Resolve(token, TimeSpan.Zero);
        return reply.Route is not null;
    }

    internal static BackendIdentity Identity(JsonNode response) => new(
        BackendName.Parse(response["backend_id"]!.GetValue<string>()), new FencingToken(response["key"]!["fencing_token"]!.GetValue<long>()));
}
