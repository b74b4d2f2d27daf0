using System.Net;
using System.Text.Json.Nodes;
using Plane.Storage;
using Plane.Testing;

namespace Plane.Tests.Silo;

public sealed class ConnectTests(ControllerFixture fixture) : IClassFixture<ControllerFixture>
{
    private readonly Controller _controller = fixture.Controller;

    [Fact]
    public async Task A_first_connect_spawns_and_answers_with_every_documented_field()
    {
        var key = Requests.Unique("full");
        var response = await _controller.ConnectAsync(key, r => r["key"] = new JsonObject { ["name"] = key, ["namespace"] = "ns", ["tag"] = "t" });

        Assert.Equal(
            ["backend_id", "spawned", "status", "token", "url", "subdomain", "secret_token", "status_url", "drone", "key", "browser_url"],
            response.AsObject().Select(p => p.Key));
        Assert.Matches("^[a-z0-9]{14}$", Text(response, "backend_id"));
        Assert.True(response["spawned"]!.GetValue<bool>());
        Assert.Equal("scheduled", Text(response, "status"));
        Assert.Matches("^[A-Za-z0-9_-]{43}$", Text(response, "token"));
        Assert.Equal($"http://{Controller.Cluster}/{Text(response, "token")}/", Text(response, "url"));
        Assert.Null(response["subdomain"]);
        Assert.Null(response["browser_url"]);
        Assert.Matches("^[A-Za-z0-9_-]{43}$", Text(response, "secret_token"));
        Assert.Equal($"{_controller.Http.BaseAddress}pub/b/{Text(response, "backend_id")}/status", Text(response, "status_url"));
        Assert.Equal(fixture.Drone.Name.Value, Text(response, "drone"));
        Assert.Equal(key, Text(response["key"]!, "name"));
        Assert.Equal("ns", Text(response["key"]!, "namespace"));
        Assert.Equal("t", Text(response["key"]!, "tag"));
        Assert.True(response["key"]!["fencing_token"]!.GetValue<long>() > 0);
    }

    [Fact]
    public async Task A_second_connect_returns_the_same_backend_with_a_token_of_its_own()
    {
        var key = Requests.Unique("same");
        var first = await _controller.ConnectAsync(key);
        var second = await _controller.ConnectAsync(key, r => r.Remove("spawn_config"));

        Assert.Equal(Text(first, "backend_id"), Text(second, "backend_id"));
        Assert.False(second["spawned"]!.GetValue<bool>());
        Assert.Null(second["drone"]);
        Assert.NotEqual(Text(first, "token"), Text(second, "token"));
        Assert.Equal(first["key"]!["fencing_token"]!.GetValue<long>(), second["key"]!["fencing_token"]!.GetValue<long>());
    }

    [Fact]
    public async Task A_connect_without_a_key_gets_a_random_one()
    {
        var response = await _controller.ConnectAsync("", r => r.Remove("key"));
        Assert.Matches("^lk-[a-z0-9]{14}$", Text(response["key"]!, "name"));
    }

    [Fact]
    public async Task A_static_token_is_shared_and_has_no_secret()
    {
        var key = Requests.Unique("static");
        var first = await _controller.ConnectAsync(key, r => r.Spawn()["use_static_token"] = true);
        var second = await _controller.ConnectAsync(key);

        Assert.Matches("^s\\.[A-Za-z0-9_-]{43}$", Text(first, "token"));
        Assert.Equal(Text(first, "token"), Text(second, "token"));
        Assert.Null(first["secret_token"]);
        Assert.Null(second["secret_token"]);
    }

    [Fact]
    public async Task A_subdomain_stands_in_the_url()
    {
        var response = await _controller.ConnectAsync(Requests.Unique("sub"), r => r.Spawn()["subdomain"] = "room-1");
        Assert.Equal("room-1", Text(response, "subdomain"));
        Assert.StartsWith($"http://room-1.{Controller.Cluster}/", Text(response, "url"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_session_for_browsers_has_a_subdomain_and_a_url_to_enter_by()
    {
        var key = Requests.Unique("browser");
        var first = await _controller.ConnectAsync(key, r => r.Spawn()["browser"] = true);
        var second = await _controller.ConnectAsync(key, r => r.Remove("spawn_config"));
        foreach (var response in new[] { first, second })
        {
            Assert.Matches("^[a-z0-9]{14}$", Text(response, "subdomain"));
            Assert.Equal($"http://{Text(response, "subdomain")}.{Controller.Cluster}/.plane/enter?token={Text(response, "token")}&to=/", Text(response, "browser_url"));
        }

        Assert.Equal(Text(first, "subdomain"), Text(second, "subdomain"));
    }

    [Fact]
    public async Task A_chosen_subdomain_can_be_entered_and_one_with_a_static_token_cannot()
    {
        var chosen = await _controller.ConnectAsync(Requests.Unique("sub"), r => r.Spawn()["subdomain"] = "room-2");
        Assert.StartsWith($"http://room-2.{Controller.Cluster}/.plane/enter?", Text(chosen, "browser_url"), StringComparison.Ordinal);
        var shared = await _controller.ConnectAsync(Requests.Unique("sub"), r =>
        {
            r.Spawn()["subdomain"] = "room-3";
            r.Spawn()["use_static_token"] = true;
        });
        Assert.Null(shared["browser_url"]);
        var both = Requests.Connect(Requests.Unique("sub"));
        both.Spawn()["browser"] = true;
        both.Spawn()["use_static_token"] = true;
        (await _controller.PostAsync("/ctrl/connect", both)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
    }

    [Fact]
    public async Task A_repeat_of_a_request_for_a_browser_gets_the_same_url()
    {
        var body = Requests.Connect(Requests.Unique("repeat"));
        body["request_id"] = Requests.Unique("id");
        body.Spawn()["browser"] = true;
        var first = (await _controller.PostAsync("/ctrl/connect", body)).Expect(HttpStatusCode.OK).Json!;
        var second = (await _controller.PostAsync("/ctrl/connect", body)).Expect(HttpStatusCode.OK).Json!;
        Assert.Equal(Text(first, "browser_url"), Text(second, "browser_url"));
    }

    [Fact]
    public async Task A_cluster_without_a_port_means_https()
    {
        await _controller.AddDroneAsync(cluster: "secure.example");
        var response = await _controller.ConnectAsync(Requests.Unique("tls"), r => r.Spawn()["cluster"] = "secure.example");
        Assert.StartsWith("https://secure.example/", Text(response, "url"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_chosen_backend_id_is_used_once()
    {
        var id = Requests.Unique("own");
        var response = await _controller.ConnectAsync(Requests.Unique("id"), r => r.Spawn()["id"] = id);
        Assert.Equal(id, Text(response, "backend_id"));

        var again = Requests.Connect(Requests.Unique("id"));
        again.Spawn()["id"] = id;
        (await _controller.PostAsync("/ctrl/connect", again)).ExpectError(HttpStatusCode.Conflict, "BackendIdTaken");
    }

    [Fact]
    public async Task Another_tag_is_refused()
    {
        var key = Requests.Unique("tag");
        await _controller.ConnectAsync(key);
        var other = Requests.Connect(key);
        other["key"]!["tag"] = "other";
        (await _controller.PostAsync("/ctrl/connect", other)).ExpectError(HttpStatusCode.Conflict, "KeyHeld");
    }

    [Fact]
    public async Task A_free_key_without_spawn_config_is_refused()
    {
        var request = Requests.Connect(Requests.Unique("free"));
        request.Remove("spawn_config");
        (await _controller.PostAsync("/ctrl/connect", request)).ExpectError(HttpStatusCode.Conflict, "KeyUnheldNoSpawnConfig");
    }

    [Fact]
    public async Task Without_a_fitting_drone_the_answer_says_when_to_try_again()
    {
        var request = Requests.Connect(Requests.Unique("pool"));
        request.Spawn()["pool"] = "nobody-is-here";
        var answer = (await _controller.PostAsync("/ctrl/connect", request)).ExpectError(HttpStatusCode.ServiceUnavailable, "NoDroneAvailable");
        Assert.NotNull(answer.Headers.RetryAfter);
    }

    [Fact]
    public async Task An_invalid_cluster_has_its_own_kind()
    {
        var request = Requests.Connect(Requests.Unique("cluster"));
        request.Spawn()["cluster"] = "not a host";
        (await _controller.PostAsync("/ctrl/connect", request)).ExpectError(HttpStatusCode.BadRequest, "InvalidClusterName");
    }

    [Fact]
    public async Task Without_any_cluster_the_request_is_refused()
    {
        await using var controller = await Controller.StartAsync(o => o.DefaultCluster = null);
        (await controller.PostAsync("/ctrl/connect", Requests.Connect("k"))).ExpectError(HttpStatusCode.BadRequest, "NoClusterProvided");
    }

    [Fact]
    public async Task The_status_url_begins_with_the_configured_url()
    {
        await using var controller = await Controller.StartAsync(o => o.ControllerUrl = new Uri("https://plane.example/api/"));
        await controller.AddDroneAsync();
        var response = await controller.ConnectAsync("k");
        Assert.Equal($"https://plane.example/api/pub/b/{Text(response, "backend_id")}/status", Text(response, "status_url"));
    }

    [Fact]
    public async Task Connecting_to_an_ending_holder_says_so()
    {
        var key = Requests.Unique("ending");
        var first = await _controller.ConnectAsync(key);
        await fixture.Drone.ReportAsync(Identity(first), BackendStatus.Terminating, TerminationReason.External, TerminationKind.Soft);
        var second = await _controller.ConnectAsync(key);
        Assert.Equal("terminating", Text(second, "status"));
        Assert.Equal(Text(first, "backend_id"), Text(second, "backend_id"));
    }

    [Fact]
    public async Task With_wait_seconds_the_end_of_the_holder_is_waited_for()
    {
        var key = Requests.Unique("wait");
        var first = await _controller.ConnectAsync(key);
        await fixture.Drone.ReportAsync(Identity(first), BackendStatus.Terminating, TerminationReason.External, TerminationKind.Soft);
        var waiting = _controller.ConnectAsync(key, r => r["wait_seconds"] = 20);
        await fixture.Drone.ReportAsync(Identity(first), BackendStatus.Terminated, TerminationReason.External, TerminationKind.Soft);

        var second = await waiting;
        Assert.True(second["spawned"]!.GetValue<bool>());
        Assert.NotEqual(Text(first, "backend_id"), Text(second, "backend_id"));
        Assert.True(second["key"]!["fencing_token"]!.GetValue<long>() > first["key"]!["fencing_token"]!.GetValue<long>());
    }

    [Fact]
    public async Task With_wait_seconds_a_free_drone_is_waited_for()
    {
        await using var controller = await Controller.StartAsync();
        var refused = RefusedOnce(controller);
        var waiting = controller.ConnectAsync(Requests.Unique("wait"), r => r["wait_seconds"] = 20);
        await refused;
        var drone = await controller.AddDroneAsync();
        Assert.Equal(drone.Name.Value, Text(await waiting, "drone"));
    }

    [Fact]
    public async Task Who_waits_for_a_free_drone_finds_the_backend_that_another_started_meanwhile()
    {
        await using var controller = await Controller.StartAsync();
        var key = Requests.Unique("wait");
        var refused = RefusedOnce(controller);
        var waiting = controller.ConnectAsync(key, r =>
        {
            r["wait_seconds"] = 20;
            r.Spawn()["pool"] = "nobody-is-here";
        });
        await refused;
        await controller.AddDroneAsync();
        var other = await controller.ConnectAsync(key);
        var found = await waiting;
        Assert.Equal(Text(other, "backend_id"), Text(found, "backend_id"));
        Assert.False(found["spawned"]!.GetValue<bool>());
    }

    [Fact]
    public async Task Who_waits_while_the_controller_stops_is_told_to_ask_again()
    {
        await using var controller = await Controller.StartAsync();
        var request = Requests.Connect(Requests.Unique("wait"));
        request["wait_seconds"] = 20;
        var refused = RefusedOnce(controller);
        var waiting = controller.PostAsync("/ctrl/connect", request);
        await refused;
        var stopping = controller.StopAsync();
        Assert.Contains("send the request again", (await waiting).ExpectError(HttpStatusCode.ServiceUnavailable, "Other").Text, StringComparison.Ordinal);
        await stopping;
    }

    [Fact]
    public async Task A_wait_for_a_free_drone_that_is_over_is_refused_as_without_it()
    {
        var request = Requests.Connect(Requests.Unique("wait"));
        request["wait_seconds"] = 1;
        request.Spawn()["pool"] = "nobody-is-here";
        var answer = (await _controller.PostAsync("/ctrl/connect", request)).ExpectError(HttpStatusCode.ServiceUnavailable, "NoDroneAvailable");
        Assert.NotNull(answer.Headers.RetryAfter);
    }

    [Fact]
    public async Task Unknown_fields_are_ignored()
    {
        await _controller.ConnectAsync(Requests.Unique("unknown"), r =>
        {
            r["from_the_future"] = new JsonObject { ["a"] = 1 };
            r.Spawn()["and_here"] = new JsonArray(1, 2);
        });
    }

    [Fact]
    public async Task Many_connects_to_one_key_find_one_backend()
    {
        var key = Requests.Unique("many");
        var responses = await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => _controller.ConnectAsync(key)));
        Assert.Single(responses.Select(r => Text(r, "backend_id")).Distinct());
        Assert.Single(responses, r => r["spawned"]!.GetValue<bool>());
        Assert.Equal(40, responses.Select(r => Text(r, "token")).Distinct().Count());
    }

    /// <summary>Completes when a connect has found no drone and asks why: that is when the cluster's state is read. Its metrics are no witness, since all controllers of a process share them.</summary>
    private static Task RefusedOnce(Controller controller)
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        controller.Faults.Instead = (member, _) =>
        {
            if (member == nameof(IPlaneStore.ReadClusterAsync))
            {
                asked.TrySetResult();
            }

            return null;
        };
        return Eventually.EndsAsync(asked.Task, "a connect finds no drone");
    }

    private static string Text(JsonNode node, string field) => node[field]!.GetValue<string>();

    private static BackendIdentity Identity(JsonNode response) => BackendRoutesTests.Identity(response);
}
