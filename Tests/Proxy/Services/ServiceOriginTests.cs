using System.Net;

namespace Plane.Tests.Proxy;

/// <summary>Which pages may use a service's sessions: the rules of browser sessions, whatever the service's access is.</summary>
public sealed class ServiceOriginTests
{
    [Theory]
    [InlineData("cross-site", "cors", "empty", "https://evil.example")]
    [InlineData("same-site", "cors", "empty", "http://other--board.cluster.test:4321")]
    [InlineData("same-site", "no-cors", "image", null)]
    [InlineData("cross-site", "no-cors", "script", null)]
    [InlineData("cross-site", "navigate", "iframe", null)]
    [InlineData(null, null, null, "https://evil.example")]
    [InlineData(null, null, null, "http://other--board.cluster.test:4321")]
    public async Task Pages_of_other_origins_use_nothing_and_start_nothing(string? site, string? mode, string? destination, string? origin)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var signed = TestService.Signed(proxy, backend.Address);
        using var open = new TestService(proxy, "open");
        open.Fake.Set("open", ServiceAccess.Public);
        var headers = new[] { ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode), ("Sec-Fetch-Dest", destination), ("Origin", origin) }
            .Where(h => h.Item2 is not null).Select(h => (h.Item1, h.Item2!)).ToArray();
        Assert.Equal(HttpStatusCode.Forbidden, await signed.StatusAsync(signed.Token(), headers: headers));
        Assert.Equal(HttpStatusCode.Forbidden, await open.StatusAsync(null, headers: headers));
        using var exchange = await signed.SendAsync($"/?plane_token={signed.Token()}", headers: headers);
        Assert.Equal(HttpStatusCode.Forbidden, exchange.StatusCode);
        Assert.False(exchange.Headers.Contains("Set-Cookie"));
        Assert.Empty(signed.Fake.Entries);
        Assert.Empty(backend.Requests);
    }

    [Theory]
    [InlineData("cross-site", "navigate", "document", null)]
    [InlineData("same-origin", "cors", "empty", "http://room--board.cluster.test:4321")]
    [InlineData("none", "navigate", "document", null)]
    [InlineData(null, null, null, "http://room--board.cluster.test:4321")]
    [InlineData("cross-site", "cors", "empty", "https://app.example")]
    public async Task Its_own_pages_links_and_allowed_origins_may(string? site, string? mode, string? destination, string? origin)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address, ["https://app.example"]);
        var headers = new[] { ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode), ("Sec-Fetch-Dest", destination), ("Origin", origin) }
            .Where(h => h.Item2 is not null).Select(h => (h.Item1, h.Item2!)).ToArray();
        using var response = await service.SendAsync("/", cookie: service.Token(), headers: headers);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal(origin == "https://app.example", response.Headers.Contains("Access-Control-Allow-Credentials"));
    }

    [Fact]
    public async Task A_web_socket_of_another_origin_is_refused()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address);
        foreach (var (origin, status) in new[] { ("https://evil.example", 403), ("null", 403), (service.OriginOf("other"), 403) })
        {
            using var client = await proxy.ConnectAsync();
            await client.Connection.WriteAsync(
                $"GET / HTTP/1.1\r\nHost: {service.HostOf("room")}\r\nCookie: {TestService.Cookie}={service.Token()}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
            Assert.StartsWith($"HTTP/1.1 {status} ", await client.Connection.ReadUntilAsync("\r\n\r\n"), StringComparison.Ordinal);
        }

        Assert.Empty(service.Fake.Entries);
    }

    [Theory]
    [InlineData("https://app.example", HttpStatusCode.NoContent)]
    [InlineData("https://evil.example", HttpStatusCode.Forbidden)]
    public async Task A_preflight_is_answered_for_allowed_origins_and_starts_nothing(string origin, HttpStatusCode expected)
    {
        await using var proxy = await TestProxy.StartAsync();
        using var service = TestService.Signed(proxy, origins: ["https://app.example"]);
        using var response = await service.SendAsync(method: HttpMethod.Options, headers: [("Origin", origin), ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization")]);
        Assert.Equal(expected, response.StatusCode);
        Assert.Equal(expected == HttpStatusCode.NoContent, response.Headers.Contains("Access-Control-Allow-Credentials"));
        Assert.Empty(service.Fake.Entries);
    }

    [Fact]
    public async Task An_embeddable_service_sets_a_cookie_for_frames()
    {
        await using var proxy = await TestProxy.StartAsync();
        using var service = TestService.Signed(proxy, embed: true);
        using var response = await service.SendAsync($"/?plane_token={service.Token()}", headers: [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")]);
        Assert.EndsWith("; HttpOnly; Secure; SameSite=None; Partitioned", Assert.Single(response.Headers.GetValues("Set-Cookie")), StringComparison.Ordinal);
    }
}
