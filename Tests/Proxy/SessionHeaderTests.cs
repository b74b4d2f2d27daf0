using System.Net;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>Cookies and targets of browser sessions in forms that no browser sends.</summary>
public sealed class SessionHeaderTests
{
    [Theory]
    [InlineData("Cookie: a=1\r\nCookie: {0}\r\nCookie: b=2", 200)]
    [InlineData("Cookie: {0}\r\nCookie: {0}", 200)]
    [InlineData("Cookie: {0}\r\nCookie: {1}", 401)]
    [InlineData("Cookie: {1}\r\nCookie: {0}", 401)]
    [InlineData("Cookie: {0}, {1}", 401)]
    [InlineData("Cookie: \"{0}\"", 401)]
    [InlineData("Cookie: {0}%3B", 401)]
    [InlineData("X-Cookie: {0}", 401)]
    [InlineData("Cookie2: {0}", 401)]
    [InlineData("Cookie_: {0}", 401)]
    [InlineData("Authorization: Bearer {2}", 401)]
    public async Task Cookies_in_several_headers_count_as_one_list(string header, int status)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address);
        var other = BrowserSession.Add(proxy, backend.Address);
        using var client = await proxy.ConnectAsync();

        var sent = string.Format(System.Globalization.CultureInfo.InvariantCulture, header, session.Sent, other.Sent, session.Token.Value);
        var answer = await client.TalkAsync($"GET / HTTP/1.1\r\nHost: {session.Host}\r\n{sent}\r\nConnection: close\r\n\r\n");

        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.All(backend.Requests, r => Assert.DoesNotContain(session.Token.Value, r, StringComparison.Ordinal));
        Assert.Equal(status == 200 ? 1 : 0, backend.Requests.Count);
        Assert.DoesNotContain(session.Token.Value, answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData('\u0001')]
    [InlineData('\u007f')]
    [InlineData('\u00e9')]
    [InlineData('\0')]
    public async Task A_cookie_with_a_character_that_no_token_has_opens_nothing(char odd)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address);
        using var client = await proxy.ConnectAsync();

        var answer = await client.TalkAsync($"GET / HTTP/1.1\r\nHost: {session.Host}\r\nCookie: {session.Sent[..^1]}{odd}\r\nConnection: close\r\n\r\n");

        Assert.Matches("^HTTP/1.1 40[01] ", answer);
        Assert.Empty(backend.Requests);
    }

    [Fact]
    public async Task Heads_that_are_too_large_are_refused_and_the_next_request_is_served()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address);
        Assert.Equal(HttpStatusCode.RequestHeaderFieldsTooLarge, await session.StatusAsync(cookie: $"{session.Sent}; a={new string('x', 100_000)}"));
        Assert.Equal(HttpStatusCode.RequestHeaderFieldsTooLarge, await session.StatusAsync(cookie: string.Join("; ", Enumerable.Repeat(session.Sent, 2000))));
        Assert.Empty(backend.Requests);
        Assert.Equal(HttpStatusCode.OK, await session.StatusAsync());
    }

    [Fact]
    public async Task Many_cookies_are_searched_in_one_pass()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address);
        var others = string.Concat(Enumerable.Range(0, 1000).Select(i => $"c{i}=v; "));
        Assert.Equal(HttpStatusCode.OK, await session.StatusAsync(cookie: $"{others}{session.Sent}; plane-session-9999=x"));
        var request = Assert.Single(backend.Requests);
        Assert.Contains("c999=v\r\n", request, StringComparison.Ordinal);
        Assert.DoesNotContain("plane-session", request, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("?token={0}&to=/%FF", 303)]
    [InlineData("?token={0}&to=/%E2%80%A8x", 303)]
    [InlineData("?to=/x&token={0}&other=1", 303)]
    [InlineData("?token={0}&to=/a&to=/b", 400)]
    [InlineData("?token={0}&token={0}&to=/", 400)]
    [InlineData("?Token={0}%0A&to=/", 400)]
    [InlineData("?token={0}%0A&to=/", 400)]
    [InlineData("?token={0}%00&to=/", 400)]
    [InlineData("?token= {0}&to=/", 400)]
    [InlineData("?token=%", 400)]
    [InlineData("?", 400)]
    [InlineData("", 400)]
    public async Task What_the_entry_can_not_understand_it_refuses(string query, int status)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address);
        using var client = await proxy.ConnectAsync();

        var target = "/.plane/enter" + string.Format(System.Globalization.CultureInfo.InvariantCulture, query, session.Token.Value);
        var answer = await client.TalkAsync($"GET {target.Replace(" ", "%20", StringComparison.Ordinal)} HTTP/1.1\r\nHost: {session.Host}\r\nConnection: close\r\n\r\n");

        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.Equal(status == 303, answer.Contains("Set-Cookie", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task A_target_beyond_8_KiB_is_refused()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address);
        using var most = await session.EnterAsync(to: "/" + new string('x', 6 * 1024));
        Assert.Equal(HttpStatusCode.SeeOther, most.StatusCode);
        using var tooLong = await session.EnterAsync(to: "/" + new string('x', 8 * 1024));
        Assert.True(tooLong.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.RequestUriTooLong, $"{tooLong.StatusCode}");
        Assert.False(tooLong.Headers.Contains("Set-Cookie"));
    }

    [Fact]
    public async Task The_cookie_stays_here_whatever_the_backend_speaks()
    {
        await using var proxy = await TestProxy.StartAsync();
        string? seen = null;
        await using var backend = await WebBackend.StartAsync(
            context =>
            {
                seen = string.Join('\n', context.Request.Headers.SelectMany(h => h.Value.Select(v => $"{h.Key}: {v}")));
                context.Response.Headers.SetCookie = $"{BrowserSession.Cookie}=mine; Path=/";
                return Task.CompletedTask;
            },
            h2c: true);
        var session = BrowserSession.Add(proxy, backend.Address, with: r => r with { Web = new WebSettings { Protocol = BackendProtocol.H2c } });
        using var response = await session.SendAsync("/", cookie: $"{session.Sent}; a=1");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Contains("Cookie: a=1", seen, StringComparison.Ordinal);
        Assert.DoesNotContain(session.Token.Value, seen, StringComparison.Ordinal);
        Assert.False(response.Headers.Contains("Set-Cookie"));
    }

    [Fact]
    public async Task Nothing_of_a_session_is_logged()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address);
        using (await session.EnterAsync(to: "%2Fsecret-place"))
        {
            Assert.Equal(HttpStatusCode.OK, await session.StatusAsync("/secret-place"));
        }

        proxy.Controller.Revoke(session.Token);
        await Eventually.SeenAsync(async _ => await session.StatusAsync("/secret-place"), s => s == HttpStatusCode.Unauthorized, "the cookie is refused");
        Assert.DoesNotContain(proxy.Log.Lines, l => l.Contains(session.Token.Value, StringComparison.Ordinal) || l.Contains("secret-place", StringComparison.Ordinal));
    }
}
