using System.Net;
using System.Text.Json.Nodes;
using Plane.Testing;

namespace Plane.Tests.Silo;

public sealed class RequestIdTests(ControllerFixture fixture) : IClassFixture<ControllerFixture>
{
    private readonly Controller _controller = fixture.Controller;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_repeat_gets_the_same_answer(bool named)
    {
        var request = Request(named ? Requests.Unique("same") : null);
        var first = await SendAsync(_controller, request);
        Assert.True(first["spawned"]!.GetValue<bool>());
        Assert.Equal(first.ToJsonString(), (await SendAsync(_controller, request)).ToJsonString());

        // The order of fields is no part of what is asked.
        var turned = new JsonObject(request.Reverse().Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone())));
        Assert.Equal(first.ToJsonString(), (await SendAsync(_controller, turned)).ToJsonString());
    }

    [Fact]
    public async Task A_repeat_for_a_held_key_gets_the_same_token()
    {
        var key = Requests.Unique("held");
        var holder = await _controller.ConnectAsync(key);
        var request = Request(key);
        var first = await SendAsync(_controller, request);
        Assert.False(first["spawned"]!.GetValue<bool>());
        Assert.Equal(Text(holder, "backend_id"), Text(first, "backend_id"));
        Assert.Equal(first.ToJsonString(), (await SendAsync(_controller, request)).ToJsonString());
        Assert.NotEqual(Text(first, "token"), Text(await SendAsync(_controller, Request(key)), "token"));
    }

    [Theory]
    [InlineData("user")]
    [InlineData("key")]
    [InlineData("wait_seconds")]
    public async Task The_same_id_with_another_body_is_refused(string field)
    {
        var request = Request(Requests.Unique("other"));
        await SendAsync(_controller, request);
        request[field] = field switch
        {
            "key" => new JsonObject { ["name"] = Requests.Unique("another") },
            "user" => "somebody else",
            _ => 3,
        };
        (await _controller.PostAsync("/ctrl/connect", request)).ExpectError(HttpStatusCode.Conflict, "RequestIdTaken");
    }

    [Fact]
    public async Task Equal_requests_at_once_make_one_acquisition()
    {
        var request = Request(null).ToJsonString();
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => _controller.PostAsync("/ctrl/connect", request)));
        Assert.Single(answers.Select(a => a.Expect(HttpStatusCode.OK).Text).Distinct());
    }

    [Fact]
    public async Task Where_the_first_took_the_last_place_the_repeat_gets_its_answer_all_the_same()
    {
        // Nobody is free any more, and the repeat needs nobody.
        var request = Request(Requests.Unique("drained"));
        await using var controller = await Controller.StartAsync();
        var drone = await controller.AddDroneAsync();
        var first = await SendAsync(controller, request);
        (await controller.PostAsync($"/ctrl/c/{Controller.Cluster}/d/{drone.Name}/drain")).Expect(HttpStatusCode.OK);
        Assert.Equal(first.ToJsonString(), (await SendAsync(controller, request)).ToJsonString());
        (await controller.PostAsync("/ctrl/connect", Request(null))).ExpectError(HttpStatusCode.ServiceUnavailable, "NoDroneAvailable");
    }

    [Fact]
    public async Task An_answer_is_kept_over_a_restart_of_the_controller()
    {
        using var directory = new TempDirectory();
        var database = directory["kept.db"];
        var request = Request(null);
        JsonNode first;
        await using (var controller = await Controller.StartAsync(o => Keep(o)))
        {
            await controller.AddDroneAsync();
            first = await SendAsync(controller, request);
        }

        await using var again = await Controller.StartAsync(o => Keep(o));
        Assert.Equal(first.ToJsonString(), (await SendAsync(again, request)).ToJsonString());

        void Keep(Plane.Silo.ControllerOptions options)
        {
            options.Db = $"sqlite:{database}";
            options.ControllerUrl = new Uri("https://plane.example/");
        }
    }

    [Fact]
    public async Task A_request_that_waits_for_the_end_of_a_holder_keeps_what_it_got_in_the_end()
    {
        var key = Requests.Unique("wait");
        var first = await _controller.ConnectAsync(key);
        await fixture.Drone.ReportAsync(BackendRoutesTests.Identity(first), BackendStatus.Terminating, TerminationReason.External, TerminationKind.Soft);
        var request = Request(key);
        request["wait_seconds"] = 20;
        var waiting = Task.WhenAll(SendAsync(_controller, request), SendAsync(_controller, request));
        await fixture.Drone.ReportAsync(BackendRoutesTests.Identity(first), BackendStatus.Terminated, TerminationReason.External, TerminationKind.Soft);
        var answers = await waiting;
        Assert.NotEqual(Text(first, "backend_id"), Text(answers[0], "backend_id"));
        Assert.Equal(answers[0].ToJsonString(), answers[1].ToJsonString());
        Assert.Equal(answers[0].ToJsonString(), (await SendAsync(_controller, request)).ToJsonString());
    }

    [Fact]
    public async Task A_wait_that_ends_before_the_holder_answers_and_keeps_the_holder()
    {
        var key = Requests.Unique("wait");
        var first = await _controller.ConnectAsync(key);
        await fixture.Drone.ReportAsync(BackendRoutesTests.Identity(first), BackendStatus.Terminating, TerminationReason.External, TerminationKind.Soft);
        var request = Request(key);
        request["wait_seconds"] = 1;
        var answer = await SendAsync(_controller, request);
        Assert.Equal("terminating", Text(answer, "status"));
        Assert.Equal(answer.ToJsonString(), (await SendAsync(_controller, request)).ToJsonString());
    }

    [Fact]
    public async Task A_request_that_waits_for_a_free_drone_keeps_what_it_got_in_the_end()
    {
        await using var controller = await Controller.StartAsync();
        var request = Request(null);
        request["wait_seconds"] = 20;
        var waiting = Task.WhenAll(SendAsync(controller, request), SendAsync(controller, request));
        await controller.AddDroneAsync();
        var answers = await waiting;
        Assert.Equal(answers[0].ToJsonString(), answers[1].ToJsonString());
        Assert.Equal(answers[0].ToJsonString(), (await SendAsync(controller, request)).ToJsonString());
    }

    [Fact]
    public async Task A_repeat_says_how_the_backend_is_by_now()
    {
        var request = Request(Requests.Unique("later"));
        var first = await SendAsync(_controller, request);
        await fixture.Drone.ReportAsync(BackendRoutesTests.Identity(first), BackendStatus.Ready);
        var again = await SendAsync(_controller, request);
        Assert.Equal("ready", Text(again, "status"));
        again["status"] = Text(first, "status");
        Assert.Equal(first.ToJsonString(), again.ToJsonString());
    }

    [Theory]
    [InlineData("\"\"")]
    [InlineData("\"a\\u0000b\"")]
    [InlineData("\"a\\nb\"")]
    [InlineData("\"\\ud800\"")]
    [InlineData("7")]
    [InlineData("[\"a\"]")]
    public async Task An_id_that_is_no_text_is_refused(string id)
    {
        var body = """{"request_id": ID, "key": {"name": "k"}}""".Replace("ID", id, StringComparison.Ordinal);
        var refused = (await _controller.PostAsync("/ctrl/connect", body)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
        Assert.Contains("request_id", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_id_is_of_at_most_255_characters()
    {
        var request = Request(Requests.Unique("long"));
        request["request_id"] = new string('é', 255);
        await SendAsync(_controller, request);
        request["request_id"] = new string('x', 256);
        var refused = (await _controller.PostAsync("/ctrl/connect", request)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
        Assert.Contains("request_id", refused.Message, StringComparison.Ordinal);
    }

    private static JsonObject Request(string? key)
    {
        var request = Requests.Connect(key);
        if (key is null)
        {
            request.Remove("key");
        }

        request["user"] = "ada";
        request["request_id"] = Guid.NewGuid().ToString();
        return request;
    }

    private static async Task<JsonNode> SendAsync(Controller controller, JsonObject request) =>
        (await controller.PostAsync("/ctrl/connect", request.ToJsonString())).Expect(HttpStatusCode.OK).Json!;

    private static string Text(JsonNode node, string field) => node[field]!.GetValue<string>();
}
