using System.Net;
using System.Net.WebSockets;
using System.Text.Json.Nodes;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>Who enters a signed service, by what, and how that ends: over a real proxy, before a scripted controller.</summary>
public sealed class SignedEntryTests
{
    [Fact]
    public async Task A_token_in_the_url_becomes_the_cookie_and_leaves_the_url()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address);
        var token = service.Token();

        using var response = await service.SendAsync($"/a%2Fb?x=1&plane_token={token}&y=%20z");

        Assert.Equal((HttpStatusCode.SeeOther, $"{service.OriginOf("room")}/a%2Fb?x=1&y=%20z"), (response.StatusCode, response.Headers.Location?.OriginalString));
        var cookie = Assert.Single(response.Headers.GetValues("Set-Cookie"));
        Assert.StartsWith($"{TestService.Cookie}={token}; Path=/; Max-Age=36", cookie, StringComparison.Ordinal);
        Assert.EndsWith("; HttpOnly; SameSite=Lax", cookie, StringComparison.Ordinal);
        Assert.True(response.Headers.CacheControl?.NoStore);
        Assert.Equal("no-referrer", Assert.Single(response.Headers.GetValues("Referrer-Policy")));
        Assert.Empty(service.Fake.Entries);
        Assert.Empty(backend.Requests);
    }

    [Theory]
    [InlineData("//evil.example/x?plane_token=TOKEN", "//evil.example/x")]
    [InlineData("/\\evil.example?plane_token=TOKEN", "/\\evil.example")]
    [InlineData("/?plane_token=TOKEN", "/")]
    [InlineData("/?plane_token=TOKEN&plane_tokens=a&=&", "/?plane_tokens=a&=&")]
    [InlineData("/.plane/status?plane_token=TOKEN", "/.plane/status")]
    public async Task The_redirect_stays_on_the_host(string target, string rest)
    {
        await using var proxy = await TestProxy.StartAsync();
        using var service = TestService.Signed(proxy);
        using var client = await proxy.ConnectAsync();

        var answer = await client.TalkAsync($"GET {target.Replace("TOKEN", service.Token(), StringComparison.Ordinal)} HTTP/1.1\r\nHost: {service.HostOf("room")}\r\nConnection: close\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 303 ", answer, StringComparison.Ordinal);
        Assert.Contains($"\r\nLocation: {service.OriginOf("room")}{rest}\r\n", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_application_sees_the_visitor_and_neither_token_nor_cookie()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address);
        var token = service.Token(with: c => c["auth"] = new JsonObject { ["role"] = "editor" });
        using var client = await proxy.ConnectAsync();

        var answer = await client.TalkAsync(
            $"GET /a?b HTTP/1.1\r\nHost: {service.HostOf("room")}\r\nCookie: a=1; {TestService.Cookie}={token}; b=2\r\nx-verified-username: root\r\nAuthorization: Bearer mine\r\nConnection: close\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        var request = Assert.Single(backend.Requests);
        Assert.StartsWith("GET /a?b HTTP/1.1\r\n", request, StringComparison.Ordinal);
        Assert.Contains("\r\nCookie: a=1; b=2\r\n", request, StringComparison.Ordinal);
        Assert.Contains("\r\nx-verified-username: ada\r\n", request, StringComparison.Ordinal);
        Assert.Contains("\r\nx-verified-user-data: {\"role\":\"editor\"}\r\n", request, StringComparison.Ordinal);
        Assert.Contains("\r\nAuthorization: Bearer mine\r\n", request, StringComparison.Ordinal);
        Assert.Contains($"\r\nx-verified-secret: {Assert.Single(service.Fake.Entries).SecretToken}\r\n", request, StringComparison.Ordinal);
        Assert.DoesNotContain("root", request, StringComparison.Ordinal);
        Assert.DoesNotContain(token, request, StringComparison.Ordinal);
        Assert.DoesNotContain("x-forwarded-prefix", request, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("access-control-", answer, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Visitors_of_one_session_are_each_their_own()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address);
        foreach (var user in new[] { "ada", "grace", "ünï" })
        {
            Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(service.Token(with: c => c["sub"] = user)));
        }

        Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(service.Token(with: c => c.Remove("sub"))));
        var requests = backend.Requests.ToArray();
        Assert.Contains("\r\nx-verified-username: ada\r\n", requests[0], StringComparison.Ordinal);
        Assert.Contains("\r\nx-verified-username: grace\r\n", requests[1], StringComparison.Ordinal);
        Assert.Contains("\r\nx-verified-username: UTF-8''%C3%BCn%C3%AF\r\n", requests[2], StringComparison.Ordinal);
        Assert.DoesNotContain("x-verified-username", requests[3], StringComparison.Ordinal);
        Assert.Single(service.Fake.Entries);
    }

    [Fact]
    public async Task A_token_as_bearer_enters_and_is_not_handed_on()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address);
        Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(null, headers: ("Authorization", $"Bearer {service.Token()}")));

        // The request's author wrote this header: no other page's browser adds it.
        Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(null, headers: [("Authorization", $"bearer {service.Token()}"), ("Origin", "https://other.example"), ("Sec-Fetch-Site", "cross-site")]));
        Assert.All(backend.Requests, r => Assert.DoesNotContain("authorization", r, StringComparison.OrdinalIgnoreCase));
        Assert.All(backend.Requests, r => Assert.Contains("\r\nx-verified-username: ada\r\n", r, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_bearer_of_the_applications_own_passes_beside_the_cookie()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address);
        using var stranger = new Signer();
        foreach (var own in new[] { "opaque", stranger.Sign(Signer.Claims("api")), new string('x', 8_000) })
        {
            Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(service.Token(), headers: ("Authorization", $"Bearer {own}")));
            Assert.Contains($"Bearer {own}\r\n", backend.Requests.Last(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task What_opens_nothing_is_refused_in_its_own_words_and_starts_nothing()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address);
        using var stranger = new Signer(SigningAlgorithm.HS256, service.Signer.Kid);
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        (string? Token, string Kind, int Status)[] attempts =
        [
            (null, "TokenMissing", 401),
            ("x", "TokenInvalid", 401),
            (BearerToken.NewRandom().Value, "TokenInvalid", 401),
            (stranger.Sign(Signer.Claims("board")), "TokenInvalid", 401),
            (service.Signer.Sign(Signer.Claims("board"), h => h["alg"] = "none"), "TokenInvalid", 401),
            (service.Signer.Sign(Signer.Claims("board"), h => h["kid"] = "gone"), "TokenInvalid", 401),
            (service.Token(with: c => c["exp"] = now - 100), "TokenExpired", 401),
            (service.Token(with: c => c["exp"] = now + 90_000), "TokenInvalid", 401),
            (service.Token(with: c => c["nbf"] = now + 100), "TokenNotYetValid", 401),
            (service.Token(with: c => c["aud"] = "chat"), "TokenForbidden", 403),
            (service.Token("other"), "TokenForbidden", 403),
            (service.Token("room", c => c["namespace"] = "team"), "TokenForbidden", 403),
            (service.Token(null, c => c["keys"] = "rooms-*"), "TokenForbidden", 403),
            (service.Token(with: c => c["auth"] = new JsonObject { ["x"] = new string('x', 4_000) }), "TokenTooLarge", 400),
            (service.Token(with: c => c["auth"] = new JsonObject { ["x"] = new string('x', 12_000) }), "TokenTooLarge", 400),
        ];
        foreach (var (token, kind, status) in attempts)
        {
            foreach (var way in new[] { "cookie", "bearer", "url" })
            {
                using var response = way switch
                {
                    "cookie" => await service.SendAsync(cookie: token),
                    "bearer" => await service.SendAsync(headers: token is null ? [] : [("Authorization", $"Bearer {token}")]),
                    _ => await service.SendAsync(token is null ? "/" : $"/?plane_token={token}"),
                };
                Assert.Equal((way, kind, status), (way, await TestService.KindAsync(response), (int)response.StatusCode));
                Assert.False(response.Headers.Contains("Set-Cookie"));
                if (status == 401)
                {
                    Assert.Equal("Bearer", Assert.Single(response.Headers.WwwAuthenticate).Scheme);
                }

                var body = await response.Content.ReadAsStringAsync();
                Assert.True(token is not { Length: > 1 } || !body.Contains(token, StringComparison.Ordinal), "the answer repeats the token");
                Assert.DoesNotContain(service.Signer.Key.Material, body, StringComparison.Ordinal);
            }
        }

        Assert.Empty(service.Fake.Entries);
        Assert.Empty(backend.Requests);
        var secrets = attempts.Select(a => a.Token).OfType<string>().Where(t => t.Length > 1).Append(service.Signer.Key.Material).ToArray();
        Assert.DoesNotContain(proxy.Log.Lines, line => secrets.Any(s => line.Contains(s, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("PUT")]
    public async Task A_token_in_the_url_of_what_cannot_be_led_on_is_not_taken(string method)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address);
        using var response = await service.SendAsync($"/?plane_token={service.Token()}", method: new HttpMethod(method));
        Assert.Equal("InvalidRequest", await TestService.KindAsync(response));
        using var twice = await service.SendAsync($"/?plane_token={service.Token()}&plane_token={service.Token()}");
        Assert.Equal("TokenInvalid", await TestService.KindAsync(twice));
        Assert.Empty(backend.Requests);
    }

    [Fact]
    public async Task A_cookie_of_one_session_opens_no_other_host()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address);
        var token = service.Token();
        Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(token));
        Assert.Equal("TokenForbidden", await service.KindAsync(token, "other"));
        Assert.Equal("TokenForbidden", await service.KindAsync(token, "kaaaaaaaaaaaaaaaaaaaaaaaaaa"));

        // A host of a session that is not a service's takes it for a cookie that is not valid.
        var session = BrowserSession.Add(proxy, backend.Address, "plain");
        Assert.Equal(HttpStatusCode.Unauthorized, await session.StatusAsync(cookie: $"{TestService.Cookie}={token}"));
    }

    [Fact]
    public async Task The_token_of_a_session_says_nothing_on_a_services_host()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        await using var other = RawBackend.Answering();
        using var service = TestService.Public(proxy, backend.Address);
        var attacker = proxy.Route(other.Address);

        using var byPath = await service.SendAsync($"/{attacker.Value}/");
        Assert.Equal(HttpStatusCode.OK, byPath.StatusCode);
        Assert.Empty(other.Requests);
        Assert.StartsWith($"GET /{attacker.Value}/ ", Assert.Single(backend.Requests), StringComparison.Ordinal);

        using var entering = await service.SendAsync($"/.plane/enter?token={attacker.Value}&to=/");
        Assert.Equal(HttpStatusCode.NotFound, entering.StatusCode);
        Assert.False(entering.Headers.Contains("Set-Cookie"));
    }

    [Fact]
    public async Task Keys_are_rotated_without_an_interruption_and_a_removed_one_opens_nothing_more()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = await StreamingTests.EchoAsync();
        using var service = TestService.Signed(proxy, backend.Address);
        using var next = new Signer(SigningAlgorithm.EdDSA);
        var old = service.Token();
        var young = next.Sign(Signer.Claims("board"));
        using var byOld = await OpenAsync(proxy, service, old);
        Assert.Equal("TokenInvalid", await service.KindAsync(young));

        // Both are valid while the application changes over; no connection is cut.
        service.Fake.Set("board", ServiceAccess.Signed, [service.Signer.Key, next.Key]);
        await Eventually.SeenAsync(async _ => await TryOpenAsync(proxy, service, young), opened => opened, "the new key opens");
        using var byYoung = await OpenAsync(proxy, service, young);
        await EchoAsync(byOld);

        service.Fake.Set("board", ServiceAccess.Signed, [next.Key]);
        var cut = byOld.ReceiveAsync(new byte[1], CancellationToken.None);
        await Assert.ThrowsAsync<WebSocketException>(() => Eventually.EndsAsync(cut, "the socket of the removed key is cut"));
        Assert.Equal("TokenInvalid", await service.KindAsync(old));
        await EchoAsync(byYoung);
    }

    [Fact]
    public async Task A_change_that_was_seen_is_read_before_anyone_is_let_in_again()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.UnknownRouteWait = TimeSpan.FromMilliseconds(300));
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address);
        var token = service.Token();
        Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(token));

        // No controller answers: what is known continues.
        proxy.Controller.IsAway = true;
        Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(token));
        proxy.Controller.IsAway = false;

        // A change is seen, and what changed can't be read: then no token is good.
        service.Fake.OnRead = _ => throw new TimeoutException("away");
        service.Fake.Set("board", ServiceAccess.Signed, []);
        await Eventually.SeenAsync(async _ => await service.KindAsync(token), kind => kind == "Unavailable", "the change is seen");
        service.Fake.OnRead = null;
        await Eventually.SeenAsync(async _ => await service.KindAsync(token), kind => kind == "TokenInvalid", "the key is gone");
    }

    [Fact]
    public async Task An_answer_from_before_a_change_is_not_taken()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address);
        var asked = new TaskCompletionSource();
        var go = new TaskCompletionSource();
        var stale = await service.Fake.ReadAccessAsync(ServiceName.Parse("board"));
        var first = 1;
        service.Fake.OnRead = async _ =>
        {
            if (Interlocked.Exchange(ref first, 0) == 0)
            {
                return null;
            }

            asked.SetResult();
            await go.Task;
            return stale;
        };
        var request = service.KindAsync(service.Token());
        await asked.Task;
        var reads = proxy.Controller.Reads;
        service.Fake.Set("board", ServiceAccess.Signed, []);
        await Eventually.TrueAsync(() => proxy.Controller.Reads > reads, "the change is read");
        go.SetResult();
        Assert.Equal("TokenInvalid", await Eventually.EndsAsync(request, "the request is answered"));
        Assert.Empty(backend.Requests);
    }

    [Fact]
    public async Task A_deleted_service_ends_for_its_visitors()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = await StreamingTests.EchoAsync();
        using var service = TestService.Signed(proxy, backend.Address);
        using var open = await OpenAsync(proxy, service, service.Token());
        service.Fake.Delete("board");
        await Assert.ThrowsAsync<WebSocketException>(() => Eventually.EndsAsync(open.ReceiveAsync(new byte[1], CancellationToken.None), "the socket is cut"));
        Assert.Equal("Unauthorized", await service.KindAsync(service.Token()));
    }

    private static async Task<bool> TryOpenAsync(TestProxy proxy, TestService service, string token)
    {
        try
        {
            using var socket = await OpenAsync(proxy, service, token);
            return true;
        }
        catch (WebSocketException)
        {
            return false;
        }
    }

    internal static async Task<ClientWebSocket> OpenAsync(TestProxy proxy, TestService service, string? token, string label = "room")
    {
        var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Host", service.HostOf(label));
        if (token is not null)
        {
            socket.Options.SetRequestHeader("Cookie", $"{TestService.Cookie}={token}");
        }

        await socket.ConnectAsync(new Uri($"ws://127.0.0.1:{proxy.Port}/"), CancellationToken.None);
        return socket;
    }

    private static async Task EchoAsync(ClientWebSocket socket)
    {
        await socket.SendAsync("x"u8.ToArray(), WebSocketMessageType.Text, true, CancellationToken.None);
        Assert.Equal(1, (await Eventually.EndsAsync(socket.ReceiveAsync(new byte[1], CancellationToken.None), "the echo")).Count);
    }
}
