using System.Net;
using System.Net.WebSockets;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>What pages of other origins, other sessions' among them, may do with a session's cookie, which their browser sends for them.</summary>
public sealed class SessionOriginTests
{
    [Theory]
    [InlineData("http://room.cluster.test:4321", true)]
    [InlineData("HTTP://ROOM.cluster.test:4321", true)]
    [InlineData("https://app.example.com", true)]
    [InlineData(null, true)]
    [InlineData("http://other.cluster.test:4321", false)]
    [InlineData("http://cluster.test:4321", false)]
    [InlineData("https://room.cluster.test:4321", false)]
    [InlineData("http://room.cluster.test", false)]
    [InlineData("http://room.cluster.test:43210", false)]
    [InlineData("http://xroom.cluster.test:4321", false)]
    [InlineData("https://app.example.com.evil.test", false)]
    [InlineData("http://app.example.com", false)]
    [InlineData("null", false)]
    [InlineData("", false)]
    public async Task A_web_socket_opens_for_the_sessions_own_pages_and_for_those_that_the_spawn_config_allows(string? origin, bool opens)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = await StreamingTests.EchoAsync();
        var session = BrowserSession.Add(proxy, backend.Address, with: r => r with { Web = new WebSettings { AllowedOrigins = ["https://app.example.com"] } });
        if (opens)
        {
            using var socket = await OpenAsync(proxy, session, origin);
            Assert.Equal(WebSocketState.Open, socket.State);
        }
        else
        {
            var refused = await Assert.ThrowsAsync<WebSocketException>(() => OpenAsync(proxy, session, origin));
            Assert.Contains("403", refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_path_token_opens_a_web_socket_for_any_page_as_before()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = await StreamingTests.EchoAsync();
        var session = BrowserSession.Add(proxy, backend.Address);
        using var socket = await OpenAsync(proxy, session, "https://elsewhere.example", $"/{session.Token.Value}/");
        Assert.Equal(WebSocketState.Open, socket.State);
    }

    [Theory]
    [InlineData("GET", "same-origin", "cors", "empty", null, true)]
    [InlineData("POST", "same-origin", "cors", "empty", "http://room.cluster.test:4321", true)]
    [InlineData("GET", "none", "navigate", "document", null, true)]
    [InlineData("GET", "cross-site", "navigate", "document", null, true)]
    [InlineData("GET", "same-site", "navigate", "document", null, true)]
    [InlineData("POST", "same-site", "navigate", "document", "http://other.cluster.test:4321", false)]
    [InlineData("GET", "same-site", "navigate", "iframe", null, false)]
    [InlineData("GET", "same-site", "no-cors", "image", null, false)]
    [InlineData("GET", "same-site", "no-cors", "script", null, false)]
    [InlineData("GET", "same-site", "cors", "empty", "http://other.cluster.test:4321", false)]
    [InlineData("POST", "same-site", "no-cors", "empty", "http://other.cluster.test:4321", false)]
    [InlineData("PUT", "same-site", "cors", "empty", "https://app.example.com", true)]
    [InlineData("PUT", "cross-site", "cors", "empty", "https://app.example.com", true)]
    [InlineData("PUT", "cross-site", "cors", "empty", "https://operator.example", true)]
    [InlineData("GET", null, null, null, null, true)]
    [InlineData("POST", null, null, null, "http://room.cluster.test:4321", true)]
    [InlineData("POST", null, null, null, "null", true)]
    [InlineData("POST", null, null, null, "http://other.cluster.test:4321", false)]
    public async Task A_page_of_another_session_leads_to_this_one_and_does_nothing_else(
        string method, string? site, string? mode, string? dest, string? origin, bool passes)
    {
        await using var proxy = await TestProxy.StartAsync(o => o.AllowedOrigins = ["https://operator.example"]);
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address, with: r => r with { Web = new WebSettings { AllowedOrigins = ["https://app.example.com"] } });
        (string Name, string Value)[] headers =
            [.. new[] { ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode), ("Sec-Fetch-Dest", dest), ("Origin", origin) }.Where(h => h.Item2 is not null).Select(h => (h.Item1, h.Item2!))];

        using var response = await session.SendAsync("/", new HttpMethod(method), headers: headers);

        Assert.Equal(passes ? HttpStatusCode.OK : HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Equal(passes ? 1 : 0, backend.Requests.Count);
    }

    [Fact]
    public async Task An_embeddable_session_is_shown_in_frames()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address, with: r => r with { Web = new WebSettings { Embed = true } });
        Assert.Equal(
            HttpStatusCode.OK, await session.StatusAsync("/", null, ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")));
    }

    [Fact]
    public async Task An_allowed_origin_gets_what_a_request_with_credentials_needs_and_another_gets_nothing()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address, with: r => r with { Web = new WebSettings { AllowedOrigins = ["https://app.example.com"] } });

        Assert.Equal(HttpStatusCode.SeeOther, (await session.EnterAsync()).StatusCode);
        using var preflight = await session.SendAsync(
            "/api", HttpMethod.Options, "", ("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Headers", "x-a, content-type"));
        Assert.Equal(HttpStatusCode.NoContent, preflight.StatusCode);
        Assert.Equal("https://app.example.com", Assert.Single(preflight.Headers.GetValues("Access-Control-Allow-Origin")));
        Assert.Equal("true", Assert.Single(preflight.Headers.GetValues("Access-Control-Allow-Credentials")));
        Assert.Equal("PUT", Assert.Single(preflight.Headers.GetValues("Access-Control-Allow-Methods")));
        Assert.Equal("x-a, content-type", Assert.Single(preflight.Headers.GetValues("Access-Control-Allow-Headers")));
        Assert.Empty(backend.Requests);

        using var allowed = await session.SendAsync("/api", HttpMethod.Put, headers: ("Origin", "https://app.example.com"));
        Assert.Equal(HttpStatusCode.OK, allowed.StatusCode);
        Assert.Equal("https://app.example.com", Assert.Single(allowed.Headers.GetValues("Access-Control-Allow-Origin")));
        Assert.Equal("true", Assert.Single(allowed.Headers.GetValues("Access-Control-Allow-Credentials")));
        Assert.Equal("Origin", Assert.Single(allowed.Headers.GetValues("Vary")));

        // What the session's own page gets, without an origin, a browser must not keep for the allowed one.
        using var own = await session.SendAsync("/api");
        Assert.Equal("Origin", Assert.Single(own.Headers.GetValues("Vary")));

        using var other = await session.SendAsync("/api", HttpMethod.Put, headers: ("Origin", "https://other.example"));
        Assert.Equal(HttpStatusCode.Forbidden, other.StatusCode);
        Assert.False(other.Headers.Contains("Access-Control-Allow-Credentials"));
    }

    [Theory]
    [InlineData("https://app.example.com", true)]
    [InlineData("https://operator.example", true)]
    [InlineData("https://other.example", false)]
    [InlineData("https://elsewhere.example", false)]
    [InlineData("http://other.cluster.test:4321", false)]
    [InlineData("http://cluster.test:4321", false)]
    [InlineData("null", false)]
    public async Task A_preflight_on_a_sessions_host_gets_credentials_for_origins_that_are_allowed_there_alone(string origin, bool allowed)
    {
        await using var proxy = await TestProxy.StartAsync(o => o.AllowedOrigins = ["https://operator.example"]);
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address, with: r => r with { Web = new WebSettings { AllowedOrigins = ["https://app.example.com"] } });
        var elsewhere = BrowserSession.Add(proxy, backend.Address, "elsewhere", r => r with { Web = new WebSettings { AllowedOrigins = ["https://elsewhere.example"] } });
        Assert.Equal(HttpStatusCode.SeeOther, (await session.EnterAsync()).StatusCode);
        Assert.Equal(HttpStatusCode.SeeOther, (await elsewhere.EnterAsync()).StatusCode);

        using var preflight = await PreflightAsync(session, origin);

        Assert.Equal(allowed ? HttpStatusCode.NoContent : HttpStatusCode.Forbidden, preflight.StatusCode);
        Assert.Equal(allowed, preflight.Headers.Contains("Access-Control-Allow-Credentials"));
        Assert.Equal(allowed ? origin : "*", Assert.Single(preflight.Headers.GetValues("Access-Control-Allow-Origin")));
        Assert.Empty(backend.Requests);
    }

    [Fact]
    public async Task An_origin_is_allowed_as_long_as_a_session_that_allows_it_is_there()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        Route? route = null;
        var session = BrowserSession.Add(proxy, backend.Address, with: r => route = r with { Web = new WebSettings { AllowedOrigins = ["https://app.example.com"] } });
        async Task<HttpStatusCode> AskAsync()
        {
            using var preflight = await PreflightAsync(session, "https://app.example.com");
            return preflight.StatusCode;
        }

        Assert.Equal(HttpStatusCode.Forbidden, await AskAsync());
        Assert.Equal(HttpStatusCode.OK, await session.StatusAsync());
        Assert.Equal(HttpStatusCode.NoContent, await AskAsync());

        proxy.Controller.State(route!, BackendStatus.Terminated);
        await Eventually.SeenAsync(_ => AskAsync(), s => s == HttpStatusCode.Forbidden, "the origin is no longer allowed");
    }

    private static Task<HttpResponseMessage> PreflightAsync(BrowserSession session, string origin) => session.SendAsync(
        "/api", HttpMethod.Options, "", ("Origin", origin), ("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Headers", "x-a"));

    internal static async Task<ClientWebSocket> OpenAsync(TestProxy proxy, BrowserSession session, string? origin, string path = "/")
    {
        var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Host", session.Host);
        socket.Options.SetRequestHeader("Cookie", session.Sent);
        if (origin is not null)
        {
            socket.Options.SetRequestHeader("Origin", origin);
        }

        try
        {
            await socket.ConnectAsync(new Uri($"ws://127.0.0.1:{proxy.Port}{path}"), CancellationToken.None);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
