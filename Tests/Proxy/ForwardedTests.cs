namespace Plane.Tests.Proxy;

/// <summary>Behind load balancers: a backend hears of scheme, host and address as the client's balancer saw them, if the operator trusts it.</summary>
public sealed class ForwardedTests
{
    private const string Outside = "room." + TestProxy.Cluster;

    [Theory]
    [InlineData("192.0.2.7", "192.0.2.7", "127.0.0.0/8")]
    [InlineData("192.0.2.7", "192.0.2.7, 10.1.2.3", "127.0.0.1", "10.0.0.0/8")]
    [InlineData("10.1.2.3", "192.0.2.7, 10.1.2.3", "127.0.0.1")]
    [InlineData("192.0.2.7", "6.6.6.6, 192.0.2.7", "127.0.0.1")]
    [InlineData("2001:db8::7", "[2001:db8::7]:4711", "127.0.0.1")]
    public async Task A_trusted_balancer_is_believed(string client, string forwardedFor, params string[] trusted)
    {
        var head = await SeenAsync($"X-Forwarded-For: {forwardedFor}\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: {Outside}\r\n", trusted);
        Assert.Contains($"x-forwarded-for: {client}\r\n", head, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("x-forwarded-proto: https\r\n", head, StringComparison.OrdinalIgnoreCase);
        Assert.Contains($"x-forwarded-host: {Outside}\r\n", head, StringComparison.OrdinalIgnoreCase);
        Assert.Contains($"\r\nhost: {Outside}\r\n", head, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("x-original-", head, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData]
    [InlineData("10.0.0.0/8", "::1")]
    public async Task Anyone_else_is_not(params string[] trusted)
    {
        var head = await SeenAsync("X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n", trusted);
        Assert.Contains("x-forwarded-for: 127.0.0.1\r\n", head, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("x-forwarded-proto: http\r\n", head, StringComparison.OrdinalIgnoreCase);
        Assert.Contains($"x-forwarded-host: {TestProxy.Cluster}\r\n", head, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("evil.example", head, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("X-Forwarded-Proto: https")]
    [InlineData("X-Forwarded-Proto: https\r\nX-Forwarded-For: unknown")]
    public async Task A_balancer_that_says_less_leaves_the_rest_as_it_is(string said)
    {
        var head = await SeenAsync(said + "\r\n", ["127.0.0.1"]);
        Assert.Contains("x-forwarded-for: 127.0.0.1\r\n", head, StringComparison.OrdinalIgnoreCase);
        Assert.Contains($"x-forwarded-host: {TestProxy.Cluster}\r\n", head, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_host_that_is_not_the_clusters_is_refused_for_every_client()
    {
        await using var backend = RawBackend.Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        await using var proxy = await TestProxy.StartAsync(o => o.TrustedProxies = ["127.0.0.1"]);
        var token = proxy.Route(backend.Address);
        using var client = await proxy.ConnectAsync();
        await client.Connection.WriteAsync($"GET /{token.Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nConnection: close\r\nX-Forwarded-Host: evil.example\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 403 ", await client.Connection.ReadUntilAsync("\r\n\r\n"), StringComparison.Ordinal);
    }

    private static async Task<string> SeenAsync(string headers, string[] trusted)
    {
        await using var backend = RawBackend.Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        await using var proxy = await TestProxy.StartAsync(o => o.TrustedProxies = trusted);
        var token = proxy.Route(backend.Address, r => headers.Contains(Outside, StringComparison.Ordinal) ? r with { Subdomain = "room" } : r);
        using var client = await proxy.ConnectAsync();
        await client.Connection.WriteAsync($"GET /{token.Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nConnection: close\r\n{headers}\r\n");
        Assert.StartsWith("HTTP/1.1 200 ", await client.Connection.ReadUntilAsync("\r\n\r\n"), StringComparison.Ordinal);
        return Assert.Single(backend.Requests);
    }
}
