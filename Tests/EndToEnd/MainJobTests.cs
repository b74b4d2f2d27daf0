using System.Net;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Plane.Testing;

namespace Plane.Tests.EndToEnd;

/// <summary>The main job over separate processes, real containers and real PostgreSQL.</summary>
[Collection(InstallationTests.Name)]
public sealed class MainJobTests(Installation plane)
{
    [Theory]
    [InlineData(Installation.Containers)]
    [InlineData(Installation.Processes)]
    public async Task A_connect_starts_a_backend_that_answers_through_the_proxy(string pool)
    {
        var request = await Installation.RequestAsync(Key(), pool);
        request["user"] = "ada";
        request["auth"] = new JsonObject { ["role"] = "editor" };
        var connected = await plane.ConnectAsync(request);
        Assert.True(connected.Spawned);
        Assert.Equal(pool == Installation.Containers ? "dr-containers" : "dr-processes", (string?)connected.Json["drone"]);

        var echo = (await plane.Http.GetFromJsonAsync<JsonNode>(new Uri(connected.Url, "echo/a%2Fb?q=1")))!;
        Assert.Equal("/echo/a%2Fb?q=1", (string?)echo["target"]);
        Assert.Equal(connected.Backend, (string?)echo["backend"]);
        Assert.Equal("ada", (string?)echo["headers"]!["x-verified-username"]![0]);
        Assert.Equal("""{"role":"editor"}""", (string?)echo["headers"]!["x-verified-user-data"]![0]);
        Assert.Equal((string?)connected.Json["secret_token"], (string?)echo["headers"]!["x-verified-secret"]![0]);

        var env = (await plane.Http.GetFromJsonAsync<JsonNode>(new Uri(connected.Url, "env")))!;
        Assert.Equal($"{connected.FencingToken}", (string?)env["SESSION_BACKEND_FENCING_TOKEN"]);
        Assert.Equal((string?)connected.Json["key"]!["name"], (string?)env["SESSION_BACKEND_KEY"]);
        Assert.Equal("ready", await plane.StatusAsync(connected.Backend));
        await plane.TerminateAsync(connected.Backend);
    }

    [Fact]
    public async Task A_second_connect_finds_the_same_backend_by_another_token()
    {
        var request = await Installation.RequestAsync(Key());
        var first = await plane.ConnectAsync(request);
        var second = await plane.ConnectAsync(request);
        Assert.False(second.Spawned);
        Assert.Equal(first.Backend, second.Backend);
        Assert.Equal(first.FencingToken, second.FencingToken);
        Assert.NotEqual(first.Token, second.Token);
        Assert.Contains(first.Backend, await plane.Http.GetStringAsync(second.Url), StringComparison.Ordinal);
        await plane.TerminateAsync(first.Backend);
    }

    [Fact]
    public async Task Many_connects_at_once_to_a_new_key_get_one_backend()
    {
        var request = await Installation.RequestAsync(Key(), Installation.Processes);
        var text = request.ToJsonString();
        var all = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => plane.ConnectAsync((JsonObject)JsonNode.Parse(text)!)));
        Assert.Single(all.Select(c => c.Backend).Distinct());
        Assert.Single(all, c => c.Spawned);
        Assert.Equal(20, all.Select(c => c.Token).Distinct().Count());
        await plane.TerminateAsync(all[0].Backend);
    }

    [Fact]
    public async Task A_websocket_goes_through_the_proxy_and_is_cut_when_its_token_is_revoked()
    {
        var request = await Installation.RequestAsync(Key());
        request["user"] = "mallory";
        var connected = await plane.ConnectAsync(request);
        using var socket = new ClientWebSocket();
        using var deadline = new CancellationTokenSource(Eventually.DefaultDeadline);
        await socket.ConnectAsync(new UriBuilder(new Uri(connected.Url, "ws")) { Scheme = "ws" }.Uri, deadline.Token);
        await socket.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, deadline.Token);
        var buffer = new byte[100];
        var received = await socket.ReceiveAsync(buffer, deadline.Token);
        Assert.Equal("hello", Encoding.UTF8.GetString(buffer, 0, received.Count));

        var (code, lines) = await plane.PlaneAsync("revoke", connected.Backend, "--user", "mallory");
        Assert.True(code == 0, string.Join('\n', lines));
        var cut = await Record.ExceptionAsync(async () =>
        {
            var end = await socket.ReceiveAsync(buffer, deadline.Token);
            Assert.Equal(WebSocketMessageType.Close, end.MessageType);
        });
        Assert.True(cut is null or WebSocketException, $"{cut}");
        using var gone = await plane.Http.GetAsync(connected.Url);
        Assert.Equal(HttpStatusCode.Gone, gone.StatusCode);
        await plane.TerminateAsync(connected.Backend);
    }

    [Fact]
    public async Task Another_tag_is_refused()
    {
        var request = await Installation.RequestAsync(Key(), Installation.Processes);
        request["key"]!["tag"] = "v1";
        var connected = await plane.ConnectAsync(request);
        request["key"]!["tag"] = "v2";
        using var refused = await plane.Http.PostAsJsonAsync(new Uri(plane.Controller, "/ctrl/connect"), request);
        Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);
        Assert.Equal("KeyHeld", (string?)(await refused.Content.ReadFromJsonAsync<JsonNode>())!["kind"]);
        await plane.TerminateAsync(connected.Backend);
    }

    [Fact]
    public async Task A_backend_that_nobody_uses_ends_and_one_with_an_open_connection_does_not()
    {
        var idle = await plane.ConnectAsync(await Installation.RequestAsync(Key(), Installation.Processes, new JsonObject { ["max_idle_seconds"] = 1 }));
        var used = await plane.ConnectAsync(await Installation.RequestAsync(Key(), Installation.Processes, new JsonObject { ["max_idle_seconds"] = 1 }));
        using var socket = new ClientWebSocket();
        await socket.ConnectAsync(new UriBuilder(new Uri(used.Url, "ws")) { Scheme = "ws" }.Uri, CancellationToken.None);

        var end = await plane.WaitForAsync(idle.Backend, "terminated");
        Assert.Equal("swept", (string?)end["termination_reason"]);
        Assert.Equal("ready", await plane.StatusAsync(used.Backend));
        socket.Abort();
        Assert.Equal("swept", (string?)(await plane.WaitForAsync(used.Backend, "terminated"))["termination_reason"]);
    }

    [Fact]
    public async Task A_lifetime_ends()
    {
        var connected = await plane.ConnectAsync(
            await Installation.RequestAsync(Key(), Installation.Processes, new JsonObject { ["lifetime_limit_seconds"] = 1 }));
        Assert.Equal("swept", (string?)(await plane.WaitForAsync(connected.Backend, "terminated"))["termination_reason"]);
    }

    [Fact]
    public async Task A_terminated_backends_key_is_free_for_a_new_one_with_a_greater_fencing_token()
    {
        var request = await Installation.RequestAsync(Key());
        var first = await plane.ConnectAsync(request);
        await plane.WaitForAsync(first.Backend, "ready");
        var (code, lines) = await plane.PlaneAsync("terminate", first.Backend);
        Assert.True(code == 0, string.Join('\n', lines));
        using var gone = await plane.Http.GetAsync(first.Url);
        Assert.Equal(HttpStatusCode.Gone, gone.StatusCode);

        var second = await plane.ConnectAsync(request);
        Assert.True(second.Spawned);
        Assert.NotEqual(first.Backend, second.Backend);
        Assert.True(second.FencingToken > first.FencingToken);
        await plane.TerminateAsync(second.Backend);
    }

    [Fact]
    public async Task A_backend_lives_longer_than_its_first_lease()
    {
        var connected = await plane.ConnectAsync(await Installation.RequestAsync(Key()));
        var expires = await LeaseAsync(connected.Backend);

        // Longer than a lease, by the database's own clock, seen in what the controller stores.
        await Eventually.SeenAsync(
            async _ => await LeaseAsync(connected.Backend), now => now > expires + 20_000, "the lease moved on by more than its length");
        Assert.Equal("ready", await plane.StatusAsync(connected.Backend));
        await plane.TerminateAsync(connected.Backend);

        async Task<long> LeaseAsync(string backend) =>
            (long)(await plane.Http.GetFromJsonAsync<JsonNode>(new Uri(plane.Controller, $"/ctrl/b/{backend}")))!["lease_expires_at"]!;
    }

    [Fact]
    public async Task A_prevented_renewal_ends_a_backend_within_a_lease()
    {
        var connected = await plane.ConnectAsync(await Installation.RequestAsync(Key(), Installation.Processes));
        await plane.WaitForAsync(connected.Backend, "ready");
        var (code, lines) = await plane.PlaneAsync("prevent-renew", connected.Backend);
        Assert.True(code == 0, string.Join('\n', lines));
        Assert.Equal("keyexpired", (string?)(await plane.WaitForAsync(connected.Backend, "terminated"))["termination_reason"]);
    }

    [Fact]
    public async Task A_static_token_is_shared_and_stays_in_the_path()
    {
        var request = await Installation.RequestAsync(Key(), Installation.Processes, new JsonObject { ["use_static_token"] = true });
        var first = await plane.ConnectAsync(request);
        var second = await plane.ConnectAsync(request);
        Assert.Equal(first.Token, second.Token);
        Assert.StartsWith("s.", first.Token, StringComparison.Ordinal);
        Assert.Null(first.Json["secret_token"]);
        var target = $"/{first.Token}/echo/x";
        using var response = await plane.Http.GetAsync(new Uri(first.Url, "echo/x"));

        // The test backend has no route below its token; what matters is what it was asked.
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Equal(first.Backend, Assert.Single(response.Headers.GetValues("x-plane-backend-id")));
        Assert.Equal(target, new Uri(first.Url, "echo/x").AbsolutePath);
        await plane.TerminateAsync(first.Backend);
    }

    private static string Key() => $"k-{Guid.NewGuid():N}";
}
