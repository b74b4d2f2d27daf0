namespace Plane.Tests.Proxy;

/// <summary>The backend sees the path as the client wrote it.</summary>
public sealed class PathTests
{
    [Theory]
    [InlineData("", "/")]
    [InlineData("/", "/")]
    [InlineData("?a=b", "/?a=b")]
    [InlineData("/?", "/?")]
    [InlineData("/a/b?c=d", "/a/b?c=d")]
    [InlineData("//", "//")]
    [InlineData("//evil.example/x", "//evil.example/x")]
    [InlineData("/a//b", "/a//b")]
    [InlineData("/../..", "/../..")]
    [InlineData("/./a/../b", "/./a/../b")]
    [InlineData("/%2e%2e/%2E", "/%2e%2e/%2E")]
    [InlineData("/a%2Fb%2fc", "/a%2Fb%2fc")]
    [InlineData("/%", "/%")]
    [InlineData("/%zz", "/%zz")]
    [InlineData("/%E2%82%AC/%c3%a9", "/%E2%82%AC/%c3%a9")]
    [InlineData("/%41%7E~", "/%41%7E~")]
    [InlineData("/a+b%20c", "/a+b%20c")]
    [InlineData("/a;b=c,d:e@f!$&'()*", "/a;b=c,d:e@f!$&'()*")]
    [InlineData("/\\back\\..\\slash", "/\\back\\..\\slash")]
    [InlineData("/\"<>[]{}|^`", "/\"<>[]{}|^`")]
    [InlineData("/a?b?c=%2F&d=[1]&e=\"'<>\\^`{|}&&=", "/a?b?c=%2F&d=[1]&e=\"'<>\\^`{|}&&=")]
    [InlineData("/a?x=http://other/../y", "/a?x=http://other/../y")]
    [InlineData("/http://other.test/", "/http://other.test/")]
    [InlineData("/a:80@b", "/a:80@b")]
    public async Task The_path_after_the_token_is_forwarded_as_received(string sent, string seen) =>
        Assert.Equal(seen, await SeenAsync(token => $"/{token}{sent}", BearerToken.NewRandom()));

    [Fact]
    public async Task A_static_token_stays_in_the_path()
    {
        var token = BearerToken.NewStatic();
        Assert.Equal($"/{token.Value}/a%2Fb?c", await SeenAsync(t => $"/{t}/a%2Fb?c", token));
    }

    [Fact]
    public async Task A_target_in_absolute_form_is_forwarded_in_origin_form() =>
        Assert.Equal("/a%2Fb?c", await SeenAsync(t => $"http://{TestProxy.Cluster}/{t}/a%2Fb?c", BearerToken.NewRandom()));

    [Fact]
    public async Task A_long_target_is_forwarded()
    {
        var path = "/" + new string('a', 20_000);
        Assert.Equal(path, await SeenAsync(t => $"/{t}{path}", BearerToken.NewRandom()));
    }

    [Theory]
    [InlineData("http://other.test/TOKEN/")]
    [InlineData("ftp://cluster.test:4321/TOKEN/")]
    [InlineData("*", 405)]
    [InlineData("cluster.test:4321", 405)]
    [InlineData("/TOKEN/%00")]
    [InlineData("TOKEN/")]
    [InlineData("/TOKEN/a b")]
    [InlineData("/TOKEN/\t")]
    [InlineData("/TOKEN/\u0001")]
    [InlineData("/TOKEN/\u007f")]
    [InlineData("/TOKEN/\0")]
    [InlineData("/TOKEN/é")]
    [InlineData("/TOKEN/?é")]
    [InlineData("/TOKEN/\rX")]
    public async Task A_target_that_two_parsers_could_read_in_two_ways_is_refused(string target, int status = 400)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var token = proxy.Route(backend.Address);
        using var client = await proxy.ConnectAsync();
        var answer = await client.TalkAsync(
            $"GET {target.Replace("TOKEN", token.Value, StringComparison.Ordinal)} HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nConnection: close\r\n\r\n");
        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.Empty(backend.Requests);
    }

    private static async Task<string> SeenAsync(Func<string, string> target, BearerToken token)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        proxy.Controller.Add(token, backend.Address);
        using var client = await proxy.ConnectAsync();
        var answer = await client.TalkAsync($"GET {target(token.Value)} HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nConnection: close\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        var line = Assert.Single(backend.Requests).Split("\r\n")[0];
        Assert.StartsWith("GET ", line, StringComparison.Ordinal);
        Assert.EndsWith(" HTTP/1.1", line, StringComparison.Ordinal);
        return line["GET ".Length..^" HTTP/1.1".Length];
    }
}
