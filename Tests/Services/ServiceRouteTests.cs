using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Plane.Tests.Silo;

namespace Plane.Tests.Services;

/// <summary>Services over HTTP.</summary>
public sealed class ServiceRouteTests(ControllerFixture fixture) : IClassFixture<ControllerFixture>
{
    private readonly Controller _controller = fixture.Controller;

    [Fact]
    public async Task A_service_is_made_changed_shown_and_deleted()
    {
        var name = Name();
        var made = (await PutAsync(name, Config())).Expect(HttpStatusCode.Created).Json!;
        Assert.Equal(
            ["name", "version", "spawn_config", "access", "prepull", "backends", "created_at", "updated_at"], made.AsObject().Select(p => p.Key));
        Assert.Equal((name, "public", 0), (Text(made, "name"), Text(made, "access"), made["backends"]!.GetValue<int>()));

        var same = (await PutAsync(name, Config())).Expect(HttpStatusCode.OK).Json!;
        Assert.Equal(Version(made), Version(same));
        var config = Config();
        config["max_backends"] = 4;
        config["warm"] = new JsonObject { ["count"] = 2, ["claim_path"] = null };
        config["access"] = new JsonObject { ["forward_auth"] = "https://auth.example.com/" };
        var changed = (await PutAsync(name, config)).Expect(HttpStatusCode.OK).Json!;
        Assert.True(Version(changed) > Version(made));

        var shown = (await _controller.GetAsync($"/ctrl/s/{name}")).Expect(HttpStatusCode.OK).Json!;
        Assert.Equal(changed.ToJsonString(), shown.ToJsonString());
        Assert.Equal("https://auth.example.com/", Text(shown["access"]!, "forward_auth"));
        Assert.Equal("""{"count":2,"claim_path":null,"ready":0,"starting":0}""", shown["warm"]!.ToJsonString());

        // What is shown can be put, and is what there is.
        Assert.Equal(Version(changed), Version((await PutAsync(name, shown)).Expect(HttpStatusCode.OK).Json!));
        var listed = (await _controller.GetAsync("/ctrl/s")).Expect(HttpStatusCode.OK).Json!["services"]!.AsArray();
        Assert.Equal("process /bin/true", Text(listed.Single(s => Text(s!, "name") == name)!, "executable"));

        Assert.Equal("null", (await DeleteAsync($"/ctrl/s/{name}")).Expect(HttpStatusCode.OK).Text);
        (await _controller.GetAsync($"/ctrl/s/{name}")).ExpectError(HttpStatusCode.NotFound, "NotFound");
        (await DeleteAsync($"/ctrl/s/{name}")).ExpectError(HttpStatusCode.NotFound, "NotFound");
    }

    [Fact]
    public async Task The_password_of_a_registry_is_not_shown_and_stays_when_what_is_shown_is_put()
    {
        var name = Name();
        var config = Config();
        config["spawn_config"]!["executable"] = new JsonObject
        {
            ["image"] = "registry.example/app", ["credentials"] = new JsonObject { ["username"] = "u", ["password"] = "the-word" },
        };
        var made = (await PutAsync(name, config)).Expect(HttpStatusCode.Created);
        Assert.DoesNotContain("the-word", made.Text, StringComparison.Ordinal);
        Assert.Equal(Version(made.Json!), Version((await PutAsync(name, made.Json!)).Expect(HttpStatusCode.OK).Json!));
        var other = made.Json!.DeepClone();
        other["spawn_config"]!["executable"]!["credentials"]!["username"] = "v";
        Assert.Contains("password", (await PutAsync(name, other)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest").Message, StringComparison.Ordinal);
        (await PutAsync(Name(), made.Json!)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
    }

    [Theory]
    [InlineData("access is missing", """{"spawn_config":{"executable":{"command":["x"]}}}""")]
    [InlineData("spawn_config is missing", """{"access":"public"}""")]
    [InlineData("access must be \"public\", \"signed\" or {\"forward_auth\": URL}", """{"spawn_config":{"executable":{"command":["x"]}},"access":"everyone"}""")]
    [InlineData("spawn_config.id cannot be given: a service has many backends", """{"spawn_config":{"id":"a","executable":{"command":["x"]}},"access":"public"}""")]
    [InlineData("warm.count is missing", """{"spawn_config":{"executable":{"command":["x"]}},"access":"public","warm":{}}""")]
    [InlineData("max_backends must be from 1 to 1000000", """{"spawn_config":{"executable":{"command":["x"]}},"access":"public","max_backends":0}""")]
    public async Task A_wrong_service_is_refused_by_its_field(string message, string body) =>
        Assert.Equal(message, (await PutAsync(Name(), body)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest").Message);

    [Theory]
    [InlineData("Board")]
    [InlineData("a--b")]
    [InlineData("abcdefghijklmnopqrstuvwxyz12345")]
    public async Task A_wrong_name_is_refused(string name)
    {
        (await PutAsync(name, Config())).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
        (await _controller.GetAsync($"/ctrl/s/{name}")).ExpectError(HttpStatusCode.NotFound, "NotFound");
        (await _controller.GetAsync($"/ctrl/s/{name}/url?key=a")).ExpectError(HttpStatusCode.NotFound, "NotFound");
        (await _controller.GetAsync($"/ctrl/s/{name}/keys")).ExpectError(HttpStatusCode.NotFound, "NotFound");
    }

    [Fact]
    public async Task A_connect_by_a_service_needs_no_spawn_config()
    {
        var name = Name();
        await PutAsync(name, Config());
        var first = (await ConnectAsync(name, "room-1")).Expect(HttpStatusCode.OK).Json!;
        var second = (await ConnectAsync(name, "room-1")).Expect(HttpStatusCode.OK).Json!;

        Assert.Equal((true, false), (first["spawned"]!.GetValue<bool>(), second["spawned"]!.GetValue<bool>()));
        Assert.Equal(Text(first, "backend_id"), Text(second, "backend_id"));
        Assert.Equal($"http://room-1--{name}.{Controller.Cluster}/", Text(first, "service_url"));
        Assert.Equal((name, "room-1"), (Text(first["key"]!, "namespace"), Text(first["key"]!, "name")));
        var described = (await _controller.GetAsync($"/ctrl/b/{Text(first, "backend_id")}")).Expect(HttpStatusCode.OK).Json!;
        Assert.Equal(name, Text(described, "service"));
        var listed = (await _controller.GetAsync($"/ctrl/backends?service={name}")).Expect(HttpStatusCode.OK).Json!["backends"]!.AsArray();
        Assert.Equal(Text(first, "backend_id"), Text(Assert.Single(listed)!, "backend_id"));
        Assert.Equal(1, (await _controller.GetAsync($"/ctrl/s/{name}")).Json!["backends"]!.GetValue<int>());

        var teams = (await ConnectAsync(name, "room-1", r => r["key"]!["namespace"] = "team")).Expect(HttpStatusCode.OK).Json!;
        Assert.Equal($"{name}/team", Text(teams["key"]!, "namespace"));
        Assert.NotEqual(Text(first, "backend_id"), Text(teams, "backend_id"));
        var random = (await _controller.PostAsync("/ctrl/connect", new JsonObject { ["service"] = name })).Expect(HttpStatusCode.OK).Json!;
        Assert.StartsWith($"http://lk-", Text(random, "service_url"), StringComparison.Ordinal);

        // A key of the service is joined by a plain connect, and not started by one.
        var held = (JsonObject)first["key"]!.DeepClone();
        held.Remove("fencing_token");
        (await _controller.PostAsync("/ctrl/connect", new JsonObject { ["key"] = held })).Expect(HttpStatusCode.OK);
        var plain = Requests.Connect("room-2");
        plain["key"]!["namespace"] = name;
        Assert.Contains("service", (await _controller.PostAsync("/ctrl/connect", plain)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest").Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_repeated_request_by_a_service_is_answered_as_it_was()
    {
        var name = Name();
        await PutAsync(name, Config());
        void WithId(JsonObject r) => r["request_id"] = $"id-{name}";
        var first = (await ConnectAsync(name, "Room 1", WithId)).Expect(HttpStatusCode.OK).Json!;
        var repeat = (await ConnectAsync(name, "Room 1", WithId)).Expect(HttpStatusCode.OK).Json!;
        Assert.Equal(
            (Text(first, "token"), Text(first, "service_url"), Text(first["key"]!, "namespace")),
            (Text(repeat, "token"), Text(repeat, "service_url"), Text(repeat["key"]!, "namespace")));
        (await ConnectAsync(name, "Room 2", WithId)).ExpectError(HttpStatusCode.Conflict, "RequestIdTaken");
    }

    [Fact]
    public async Task A_connect_that_contradicts_itself_or_names_no_service_is_refused()
    {
        var name = Name();
        (await ConnectAsync(name, "room")).ExpectError(HttpStatusCode.NotFound, "NotFound");
        await PutAsync(name, Config());
        var both = Requests.Connect("room");
        both["service"] = name;
        (await _controller.PostAsync("/ctrl/connect", both)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
        Assert.StartsWith(
            "service is not valid", (await ConnectAsync("Not A Service", "room")).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest").Message, StringComparison.Ordinal);
        (await ConnectAsync(name, "room", r => r["key"]!["namespace"] = new string('n', 255))).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
        var reserved = Requests.Connect("room");
        reserved["key"]!["namespace"] = ".plane/warm/x";
        Assert.Contains(".plane/", (await _controller.PostAsync("/ctrl/connect", reserved)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest").Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_full_service_says_when_to_come_again()
    {
        var name = Name();
        var config = Config();
        config["max_backends"] = 1;
        await PutAsync(name, config);
        (await ConnectAsync(name, "one")).Expect(HttpStatusCode.OK);
        var full = (await ConnectAsync(name, "two")).ExpectError(HttpStatusCode.ServiceUnavailable, "ServiceFull");
        Assert.NotNull(full.Headers.RetryAfter);
    }

    [Fact]
    public async Task A_crash_loop_is_answered_with_the_last_lines_and_when_the_next_start_is()
    {
        var name = Name();
        await PutAsync(name, Config());
        Answer answer;

        // On a busy machine the first rests may be over before the next connect: each is twice as long.
        while ((answer = await ConnectAsync(name, "room")).Status == HttpStatusCode.OK)
        {
            var connected = answer.Json!;
            await fixture.Drone.ReportFailureAsync(
                new BackendIdentity(BackendName.Parse(Text(connected, "backend_id")), new FencingToken(connected["key"]!["fencing_token"]!.GetValue<long>())),
                "It exited before it was ready.",
                "no such table: rooms");
        }

        answer.Expect(HttpStatusCode.ServiceUnavailable);
        Assert.Equal("CrashLoop", answer.Kind);
        Assert.Equal("no such table: rooms", Text(answer.Json!, "output_tail"));
        Assert.Contains("It exited before it was ready.", answer.Message, StringComparison.Ordinal);
        Assert.NotNull(answer.Headers.RetryAfter);
        Assert.DoesNotContain("no such table", _controller.Log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_address_of_a_key_is_known_before_anything_runs()
    {
        var name = Name();
        await PutAsync(name, Config());
        var plain = (await _controller.GetAsync($"/ctrl/s/{name}/url?key=room-1")).Expect(HttpStatusCode.OK).Json!;
        Assert.Equal(($"http://room-1--{name}.{Controller.Cluster}/", "room-1", name), (Text(plain, "url"), Text(plain, "label"), Text(plain["key"]!, "namespace")));
        var hashed = (await _controller.GetAsync($"/ctrl/s/{name}/url?key=Room%201&namespace=team&cluster=example.com")).Expect(HttpStatusCode.OK).Json!;
        Assert.Equal($"https://{Text(hashed, "label")}--{name}.example.com/", Text(hashed, "url"));
        Assert.Matches("^k[a-z2-7]{26}$", Text(hashed, "label"));
        Assert.Equal(
            new KeyConfig { Name = "Room 1", Namespace = "team" },
            await Store().FindLabelAsync(ServiceName.Parse(name), Text(hashed, "label"), default));

        (await _controller.GetAsync($"/ctrl/s/{name}/url")).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
        (await _controller.GetAsync($"/ctrl/s/{name}/url?key=a&key=b")).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
        (await _controller.GetAsync($"/ctrl/s/{name}/url?key=a&cluster=no%20cluster")).ExpectError(HttpStatusCode.BadRequest, "InvalidClusterName");
        Assert.StartsWith(
            "namespace must", (await _controller.GetAsync($"/ctrl/s/{name}/url?key=a&namespace={new string('n', 255)}")).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest").Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_service_of_one_cluster_has_addresses_there_alone()
    {
        var name = Name();
        var config = Config();
        config["spawn_config"]!["cluster"] = "example.com";
        await PutAsync(name, config);
        Assert.Equal($"https://a--{name}.example.com/", Text((await _controller.GetAsync($"/ctrl/s/{name}/url?key=a")).Expect(HttpStatusCode.OK).Json!, "url"));
        (await _controller.GetAsync($"/ctrl/s/{name}/url?key=a&cluster=other.example")).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
    }

    [Fact]
    public async Task Signing_keys_are_added_listed_and_deleted_and_no_secret_comes_back()
    {
        var name = Name();
        await PutAsync(name, Config());
        var secret = RandomText.Secret();
        var body = new JsonObject { ["kid"] = "k1", ["alg"] = "HS256", ["secret"] = secret };
        var added = (await _controller.PostAsync($"/ctrl/s/{name}/keys", body)).Expect(HttpStatusCode.Created);
        Assert.Equal(["kid", "alg", "created_at"], added.Json!.AsObject().Select(p => p.Key));
        (await _controller.PostAsync($"/ctrl/s/{name}/keys", body)).Expect(HttpStatusCode.OK);
        body["secret"] = RandomText.Secret();
        (await _controller.PostAsync($"/ctrl/s/{name}/keys", body)).ExpectError(HttpStatusCode.Conflict, "SigningKeyTaken");
        body["secret"] = "short";
        Assert.DoesNotContain("short", (await _controller.PostAsync($"/ctrl/s/{name}/keys", body)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest").Message, StringComparison.Ordinal);

        var listed = (await _controller.GetAsync($"/ctrl/s/{name}/keys")).Expect(HttpStatusCode.OK);
        Assert.Equal("k1", Text(Assert.Single(listed.Json!["keys"]!.AsArray())!, "kid"));
        foreach (var text in (string[])[added.Text, listed.Text, _controller.Log.Text, (await _controller.GetAsync($"/ctrl/s/{name}")).Text])
        {
            Assert.DoesNotContain(secret, text, StringComparison.Ordinal);
        }

        (await DeleteAsync($"/ctrl/s/{name}/keys/k1")).Expect(HttpStatusCode.OK);
        (await DeleteAsync($"/ctrl/s/{name}/keys/k1")).ExpectError(HttpStatusCode.NotFound, "NotFound");
        (await _controller.PostAsync($"/ctrl/s/none/keys", new JsonObject { ["kid"] = "k1", ["alg"] = "HS256", ["secret"] = secret })).ExpectError(HttpStatusCode.NotFound, "NotFound");
    }

    [Fact]
    public async Task Deletion_ends_backends_unless_they_are_kept()
    {
        var name = Name();
        await PutAsync(name, Config());
        var connected = (await ConnectAsync(name, "room")).Expect(HttpStatusCode.OK).Json!;
        (await DeleteAsync($"/ctrl/s/{name}?keep=maybe")).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest");
        (await DeleteAsync($"/ctrl/s/{name}")).Expect(HttpStatusCode.OK);
        Assert.Contains(await fixture.Drone.ActionsAsync(), a => a.Terminate is not null && a.Identity.Backend.Value == Text(connected, "backend_id"));

        await PutAsync(name, Config());
        var kept = (await ConnectAsync(name, "kept")).Expect(HttpStatusCode.OK).Json!;
        (await DeleteAsync($"/ctrl/s/{name}?keep=true")).Expect(HttpStatusCode.OK);
        Assert.DoesNotContain(await fixture.Drone.ActionsAsync(), a => a.Terminate is not null && a.Identity.Backend.Value == Text(kept, "backend_id"));
    }

    private static string Name() => "s" + Guid.NewGuid().ToString("N")[..12];

    private static JsonObject Config() => new()
    {
        ["spawn_config"] = new JsonObject { ["executable"] = new JsonObject { ["command"] = new JsonArray("/bin/true") } },
        ["access"] = "public",
    };

    private Plane.Storage.IPlaneStore Store() => (Plane.Storage.IPlaneStore)_controller.Services.GetService(typeof(Plane.Storage.IPlaneStore))!;

    private Task<Answer> PutAsync(string name, JsonNode config) => PutAsync(name, config.ToJsonString());

    private Task<Answer> PutAsync(string name, string config) =>
        _controller.SendAsync(HttpMethod.Put, $"/ctrl/s/{name}", new StringContent(config, Encoding.UTF8, "application/json"));

    private Task<Answer> DeleteAsync(string path) => _controller.SendAsync(HttpMethod.Delete, path);

    private Task<Answer> ConnectAsync(string service, string key, Action<JsonObject>? change = null)
    {
        var request = new JsonObject { ["key"] = new JsonObject { ["name"] = key }, ["service"] = service };
        change?.Invoke(request);
        return _controller.PostAsync("/ctrl/connect", request);
    }

    private static long Version(JsonNode service) => service["version"]!.GetValue<long>();

    private static string Text(JsonNode node, string field) => node[field]!.GetValue<string>();
}
