using System.Net;
using System.Text.Json;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>Browser sessions: the token is exchanged for a cookie of the session's host, and the application has the host to itself.</summary>
public sealed class SessionTests
{
    [Fact]
    public async Task Entering_sets_a_cookie_of_the_host_alone_and_leads_to_the_session()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address);

        using var response = await session.EnterAsync(to: "%2Fa%3Fb%3Dc%23d");

        Assert.Equal((HttpStatusCode.SeeOther, "/a?b=c#d"), (response.StatusCode, response.Headers.Location?.OriginalString));
        Assert.Equal($"{session.Sent}; Path=/; HttpOnly; SameSite=Lax", Assert.Single(response.Headers.GetValues("Set-Cookie")));
        Assert.True(response.Headers.CacheControl?.NoStore);
        Assert.Equal("no-referrer", Assert.Single(response.Headers.GetValues("Referrer-Policy")));
        Assert.Empty(backend.Requests);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/a%2Fb/?c=d")]
    [InlineData("//a/../b")]
    [InlineData("/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/x")]
    [InlineData("/s.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    public async Task The_application_sees_its_own_paths_and_not_the_cookie(string path)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address, with: r => r with { User = "ada" });
        using var client = await proxy.ConnectAsync();

        var answer = await client.TalkAsync($"GET {path} HTTP/1.1\r\nHost: {session.Host}\r\nCookie: a=1; {session.Sent}; b=2\r\nConnection: close\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        var request = Assert.Single(backend.Requests);
        Assert.StartsWith($"GET {path} HTTP/1.1\r\n", request, StringComparison.Ordinal);
        Assert.Contains("\r\nCookie: a=1; b=2\r\n", request, StringComparison.Ordinal);
        Assert.Contains("\r\nx-verified-username: ada\r\n", request, StringComparison.Ordinal);
        Assert.Contains($"\r\nx-verified-path: {path.Split('?')[0]}\r\n", request, StringComparison.Ordinal);
        Assert.DoesNotContain("x-forwarded-prefix", request, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(session.Token.Value, request, StringComparison.Ordinal);
        Assert.DoesNotContain("access-control-", answer, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("Cookie: plane-session-4321=x")]
    [InlineData("Cookie:   plane-session-4321 = x ;")]
    [InlineData("Cookie: __Host-plane-session=x; plane-session-1=y; Plane-Session-4321=z; =plane-session-4321=w; plane-session")]
    public async Task No_cookie_by_a_name_of_the_proxys_reaches_a_backend_by_a_path_token_either(string header)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address);
        using var client = await proxy.ConnectAsync();

        var answer = await client.TalkAsync($"GET /{session.Token.Value}/ HTTP/1.1\r\nHost: {session.Host}\r\n{header}\r\nConnection: close\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("cookie", Assert.Single(backend.Requests), StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("//evil.example/")]
    [InlineData("%2F%2Fevil.example")]
    [InlineData("/%5Cevil.example")]
    [InlineData("%5C%5Cevil.example")]
    [InlineData("/%09/evil.example")]
    [InlineData("/%0A/evil.example")]
    [InlineData("/x%0D%0ASet-Cookie:%20a=b")]
    [InlineData("/%00")]
    [InlineData("/%C2%85")]
    [InlineData("http%3A%2F%2Fevil.example")]
    [InlineData("javascript:alert(1)")]
    [InlineData("evil.example")]
    [InlineData("?a")]
    [InlineData("")]
    [InlineData("/&to=//evil.example")]
    public async Task No_link_leads_through_the_entry_to_another_origin(string to)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address);

        using var response = await session.EnterAsync(to: to);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.False(response.Headers.Contains("Set-Cookie"));
        Assert.Null(response.Headers.Location);
    }

    [Theory]
    [InlineData("/a%252Fb%3Fc%3D%252F", "/a%2Fb?c=%2F")]
    [InlineData("/caf%C3%A9%20x", "/caf%C3%A9%20x")]
    [InlineData("/..%2F%2Fx", "/..//x")]
    [InlineData("/a+b", "/a%20b")]
    [InlineData("/x%22%3E%3Cscript%3E", "/x\"><script>")]
    public async Task A_path_is_led_to_as_it_was_given(string to, string location)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var response = await BrowserSession.Add(proxy, backend.Address).EnterAsync(to: to);
        Assert.Equal(location, Assert.Single(response.Headers.NonValidated["Location"]));
    }

    [Fact]
    public async Task A_token_that_does_not_lead_to_a_session_of_the_host_sets_nothing()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address);
        var elsewhere = BrowserSession.Add(proxy, backend.Address, "other");
        var nowhere = proxy.Route(backend.Address);
        var shared = BearerToken.NewStatic();
        proxy.Controller.Add(shared, backend.Address, r => r with { Subdomain = "room" });
        foreach (var (token, status) in new[]
        {
            (elsewhere.Token.Value, HttpStatusCode.Forbidden), (nowhere.Value, HttpStatusCode.Forbidden), (shared.Value, HttpStatusCode.Forbidden),
            (BearerToken.NewRandom().Value, HttpStatusCode.Gone), ("x", HttpStatusCode.BadRequest), ("", HttpStatusCode.BadRequest),
            ($"{session.Token.Value}&token={session.Token.Value}", HttpStatusCode.BadRequest),
        })
        {
            using var response = await session.EnterAsync(token);
            Assert.Equal((token, status), (token, response.StatusCode));
            Assert.False(response.Headers.Contains("Set-Cookie"), token);
        }

        using var bare = new HttpRequestMessage(HttpMethod.Get, $"/.plane/enter?token={session.Token.Value}");
        Assert.Equal(HttpStatusCode.Forbidden, (await proxy.Http.SendAsync(bare)).StatusCode);
        Assert.Empty(backend.Requests);
    }

    [Theory]
    [InlineData("/.plane")]
    [InlineData("/.plane/")]
    [InlineData("/.plane/other")]
    [InlineData("/.plane/enter/")]
    public async Task The_proxys_own_paths_reach_no_backend(string path)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address);
        Assert.Equal(HttpStatusCode.NotFound, await session.StatusAsync(path));
        using var posted = await session.SendAsync($"/.plane/enter?token={session.Token.Value}", HttpMethod.Post);
        Assert.Equal(HttpStatusCode.BadRequest, posted.StatusCode);
        Assert.Empty(backend.Requests);
    }

    [Fact]
    public async Task A_cookie_that_is_not_this_sessions_opens_nothing()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address);
        var other = BrowserSession.Add(proxy, backend.Address, "other");
        var none = proxy.Route(backend.Address);
        var shared = BearerToken.NewStatic();
        proxy.Controller.Add(shared, backend.Address, r => r with { Subdomain = "room" });
        foreach (var cookie in new[]
        {
            "", "a=b", $"{BrowserSession.Cookie}=", $"{BrowserSession.Cookie}={BearerToken.NewRandom().Value}", other.Sent, $"{BrowserSession.Cookie}={none.Value}",
            $"{BrowserSession.Cookie}={shared.Value}", $"{session.Sent}; {other.Sent}", $"{other.Sent}; {session.Sent}", $"{session.Sent}; {BrowserSession.Cookie}=",
            $"{session.Sent}x", $"{BrowserSession.Cookie}=\"{session.Token.Value}\"", $"{BrowserSession.Cookie}={new string('A', 20_000)}",
            $"__Host-plane-session={session.Token.Value}", $"plane-session={session.Token.Value}", $"Plane-Session-4321={session.Token.Value}",
            $"x{session.Sent}", $"=; {BrowserSession.Cookie}", $"a=\"; {BrowserSession.Cookie}={other.Token.Value}\"",
        })
        {
            Assert.Equal((cookie, HttpStatusCode.Unauthorized), (cookie, await session.StatusAsync(cookie: cookie)));
        }

        // The same one twice is what a browser sends whose cookie was set for two paths.
        Assert.Equal(HttpStatusCode.OK, await session.StatusAsync(cookie: $"{session.Sent}; {session.Sent}"));
        Assert.Single(backend.Requests);
    }

    [Fact]
    public async Task A_cookie_does_nothing_on_the_clusters_own_host()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/page") { Headers = { { "Cookie", session.Sent } } };
        Assert.Equal(HttpStatusCode.NotFound, (await proxy.Http.SendAsync(request)).StatusCode);
        Assert.Empty(backend.Requests);
    }

    [Fact]
    public async Task A_token_in_the_path_wins_over_the_cookie()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var ada = BrowserSession.Add(proxy, backend.Address, with: r => r with { User = "ada" });
        var bob = BrowserSession.Add(proxy, backend.Address, with: r => r with { User = "bob" });
        Assert.Equal(HttpStatusCode.OK, await ada.StatusAsync($"/{bob.Token.Value}/x"));
        Assert.Contains("x-verified-username: bob", Assert.Single(backend.Requests), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_revoked_cookie_is_refused_at_the_next_request_with_a_page_or_401()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var revoked = BrowserSession.Add(proxy, backend.Address);
        var stays = BrowserSession.Add(proxy, backend.Address);
        Assert.Equal(HttpStatusCode.OK, await revoked.StatusAsync());

        proxy.Controller.Revoke(revoked.Token);

        await Eventually.SeenAsync(async _ => await revoked.StatusAsync(), s => s == HttpStatusCode.Unauthorized, "the cookie is refused");
        using var data = await revoked.SendAsync("/api");
        Assert.Equal("Unauthorized", JsonDocument.Parse(await data.Content.ReadAsStringAsync()).RootElement.GetProperty("kind").GetString());
        using var page = await revoked.SendAsync("/", headers: ("Accept", "text/html"));
        Assert.Equal(HttpStatusCode.Unauthorized, page.StatusCode);
        Assert.Contains("This session has ended", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, await stays.StatusAsync());
    }

    [Fact]
    public async Task An_ended_backends_cookie_is_refused_and_its_open_requests_are_cut()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = await StreamingTests.EchoAsync();
        Route? route = null;
        var session = BrowserSession.Add(proxy, backend.Address, with: r => route = r);
        using var socket = await SessionOriginTests.OpenAsync(proxy, session, session.Origin);
        var cut = socket.ReceiveAsync(new byte[1], CancellationToken.None);

        proxy.Controller.State(route!, BackendStatus.Terminated);

        await Assert.ThrowsAsync<System.Net.WebSockets.WebSocketException>(() => Eventually.EndsAsync(cut, "the socket is cut"));
        Assert.Equal(HttpStatusCode.Unauthorized, await session.StatusAsync());
    }

    [Fact]
    public async Task A_browser_without_the_cookie_gets_a_page_or_is_sent_to_where_the_root_leads()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var page = await BrowserSession.Add(proxy, backend.Address).SendAsync("/", cookie: "", headers: ("Accept", "text/html"));
        Assert.Equal(HttpStatusCode.Unauthorized, page.StatusCode);
        Assert.Contains("This session is not open here", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        await using var leading = await TestProxy.StartAsync(o => o.RootRedirectUrl = "https://example.com/");
        var session = BrowserSession.Add(leading, backend.Address);
        using var elsewhere = await session.SendAsync("/", cookie: "");
        Assert.Equal(HttpStatusCode.MovedPermanently, elsewhere.StatusCode);

        // Kept by the browser, it would stand before the session that is opened next.
        Assert.True(elsewhere.Headers.CacheControl?.NoStore);
        Assert.Equal(HttpStatusCode.OK, await session.StatusAsync());
    }

    [Theory]
    [InlineData("plane-session-4321=AAAA")]
    [InlineData("plane-session-4321=AAAA; Domain=cluster.test")]
    [InlineData("PLANE-SESSION-4321=AAAA; Path=/x")]
    [InlineData(" plane-session-4321 =AAAA")]
    [InlineData("__Host-plane-session=AAAA; Secure; Path=/")]
    [InlineData("__host-plane-session=AAAA; Secure; Path=/")]
    [InlineData("=plane-session-4321=AAAA")]
    [InlineData("plane-session-4321")]
    public async Task No_backend_sets_the_cookie(string cookie)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering($"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nSet-Cookie: {cookie}\r\n\r\n");
        var session = BrowserSession.Add(proxy, backend.Address);
        foreach (var path in new[] { "/", $"/{session.Token.Value}/" })
        {
            using var response = await session.SendAsync(path);
            Assert.Equal(["a=1"], response.Headers.GetValues("Set-Cookie"));
        }
    }

    [Fact]
    public async Task What_a_backend_says_of_paths_stays_as_it_is_where_the_host_is_its_own()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=1; Path=/x\r\nService-Worker-Allowed: /\r\n\r\n");
        using var response = await BrowserSession.Add(proxy, backend.Address).SendAsync("/");
        Assert.Equal("a=1; Path=/x", Assert.Single(response.Headers.GetValues("Set-Cookie")));
        Assert.Equal("/", Assert.Single(response.Headers.GetValues("Service-Worker-Allowed")));
    }

    [Fact]
    public async Task An_embeddable_sessions_cookie_is_one_for_each_embedding_site()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address, with: r => r with { Web = new WebSettings { Embed = true } });
        using var response = await session.EnterAsync();
        Assert.Equal($"{session.Sent}; Path=/; HttpOnly; Secure; SameSite=None; Partitioned", Assert.Single(response.Headers.GetValues("Set-Cookie")));
    }

    [Fact]
    public async Task Entering_waits_for_a_backend_that_starts()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.ControllerWait = TimeSpan.FromMilliseconds(50));
        await using var backend = RawBackend.Answering();
        var token = BearerToken.NewRandom();
        var session = new BrowserSession(proxy, token, "room");
        proxy.Controller.AddStarting(token);
        var entering = session.EnterAsync();
        await Eventually.TrueAsync(() => proxy.Controller.Resolves >= 2, "the proxy asks");
        Assert.False(entering.IsCompleted);
        proxy.Controller.Add(token, backend.Address, r => r with { Subdomain = "room" });
        Assert.Equal(HttpStatusCode.SeeOther, (await Eventually.EndsAsync(entering, "the entry")).StatusCode);
    }
}
