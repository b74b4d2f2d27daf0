using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>Nothing that a client writes becomes two requests at the backend, or another user's.</summary>
public sealed class SmugglingTests
{
    private const string Smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

    [Theory]
    [InlineData("Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde")]
    [InlineData("Content-Length: 4, 5\r\n\r\nabcde")]
    [InlineData("Content-Length: -1\r\n\r\n")]
    [InlineData("Content-Length: 0x4\r\n\r\nabcd")]
    [InlineData("Content-Length: 99999999999999999999\r\n\r\nabcd")]
    [InlineData("Content-Length : 4\r\n\r\nabcd")]
    [InlineData("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding:\u000bchunked\r\n\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n")]
    [InlineData("X-Folded: a\r\n b\r\n\r\n")]
    [InlineData(" Leading: space\r\n\r\n")]
    [InlineData("No colon\r\n\r\n")]
    [InlineData("Bad\u0001Name: x\r\n\r\n")]
    [InlineData("X-Null: a\0b\r\n\r\n")]
    [InlineData("X-Return: a\rb\r\n\r\n")]
    [InlineData("Host: other.test\r\n\r\n")]
    public async Task A_malformed_head_is_refused_and_reaches_no_backend(string rest)
    {
        var (answer, requests) = await SendAsync($"POST /TOKEN/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\n{rest}{Smuggled}");
        Assert.Matches("^HTTP/1.1 (400|413|501) ", answer);
        Assert.DoesNotContain(requests, r => r.Contains("smuggled", StringComparison.Ordinal) && r.StartsWith("GET", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("HTTP/1.1", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.1", "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.0", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.1", "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd")]
    [InlineData("HTTP/1.1", "Content-Length: 4, 4\r\n\r\nabcd")]
    [InlineData("HTTP/1.1", "Content-Length: +4\r\n\r\nabcd")]
    [InlineData("HTTP/1.1", "Content-Length: 004\r\n\r\nabcd")]
    [InlineData("HTTP/1.1", "Content-Length: 4 4\r\n\r\nabcd")]
    [InlineData("HTTP/1.1", "Content-Length:\r\n\r\nabcd")]
    public async Task A_body_that_could_end_in_two_places_is_refused_with_all_that_follows(string version, string rest)
    {
        var (answer, requests) = await SendAsync($"POST /TOKEN/ {version}\r\nHost: {TestProxy.Cluster}\r\n{rest}{Smuggled}");
        Assert.Matches("^HTTP/1.1 (400|501) ", answer);
        Assert.Equal(answer.IndexOf("HTTP/1.1 ", StringComparison.Ordinal), answer.LastIndexOf("HTTP/1.1 ", StringComparison.Ordinal));
        Assert.Empty(requests);
    }

    [Theory]
    [InlineData("POST /ready", "10.0.0.1")]
    [InlineData("POST /ready", TestProxy.Cluster)]
    [InlineData("OPTIONS *", TestProxy.Cluster)]
    [InlineData("POST /", "other.test")]
    public async Task It_is_refused_whatever_else_would_be_answered(string line, string host)
    {
        var (answer, _) = await SendAsync($"{line} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{Smuggled}");
        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.Equal(answer.IndexOf("HTTP/1.1 ", StringComparison.Ordinal), answer.LastIndexOf("HTTP/1.1 ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("Content-Length: 4\r\n\r\nabcd", "abcd")]
    [InlineData("Content-Length: 0\r\n\r\n", "")]
    [InlineData("Content-Length:  4 \r\n\r\nabcd", "abcd")]
    [InlineData("Transfer-Encoding: Chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n", "abcd")]
    public async Task A_body_that_can_end_in_one_place_passes(string rest, string body)
    {
        var (answer, requests) = await SendAsync($"POST /TOKEN/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\n{rest}");
        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        Assert.Contains(body, Assert.Single(requests), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false, "Transfer_Encoding")]
    [InlineData(true, "Transfer_Encoding")]
    [InlineData(false, "Content_Length")]
    [InlineData(true, "Content.Length")]
    [InlineData(true, "x_verified_username")]
    [InlineData(false, "X_Custom")]
    [InlineData(false, "X.Custom")]
    public async Task A_header_whose_name_a_backend_may_take_for_another_is_dropped(bool anyName, string name)
    {
        var (answer, requests) = await SendAsync(
            $"POST /TOKEN/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nContent-Length: 4\r\n{name}: 7777\r\n\r\nabcd", configure: o => o.AnyHeaderNames = anyName);
        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("7777", Assert.Single(requests), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_operator_can_let_any_name_pass()
    {
        var (_, requests) = await SendAsync(
            $"GET /TOKEN/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nX_Custom: 7777\r\n\r\n", configure: o => o.AnyHeaderNames = true);
        Assert.Contains("\r\nX_Custom: 7777\r\n", Assert.Single(requests), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("CONNECT cluster.test:4321 HTTP/1.1\r\nHost: cluster.test:4321\r\n\r\n")]
    [InlineData("CONNECT /TOKEN/ HTTP/1.1\r\nHost: cluster.test:4321\r\n\r\n")]
    public async Task No_tunnel_is_opened(string request)
    {
        var (answer, requests) = await SendAsync(request);
        Assert.Matches("^HTTP/1.1 (400|501) ", answer);
        Assert.Empty(requests);
    }

    [Theory]
    [InlineData("zz\r\nabc\r\n0\r\n\r\n")]
    [InlineData("3\r\nabcdef\r\n0\r\n\r\n")]
    [InlineData("-3\r\nabc\r\n0\r\n\r\n")]
    [InlineData("fffffffffffffffff\r\nabc\r\n0\r\n\r\n")]
    [InlineData("3\nabc\r\n0\r\n\r\n")]
    [InlineData("3\r\nabc\n0\r\n\r\n")]
    public async Task A_malformed_chunk_ends_the_request_and_the_connection(string chunks)
    {
        var (answer, requests) = await SendAsync(
            $"POST /TOKEN/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{Smuggled}");
        Assert.DoesNotContain("HTTP/1.1 200", answer, StringComparison.Ordinal);
        Assert.DoesNotContain(requests, r => r.StartsWith("GET", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_body_that_looks_like_a_request_stays_a_body()
    {
        var (answer, requests) = await SendAsync(
            $"GET /TOKEN/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nConnection: close\r\nContent-Length: {Smuggled.Length}\r\n\r\n{Smuggled}");
        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        Assert.EndsWith(Smuggled, Assert.Single(requests), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET /TOKEN/ HTTP/1.1\nHost: cluster.test:4321\n\n")]
    [InlineData("GET /TOKEN/ HTTP/1.1\r\n\r\n")]
    [InlineData("GET /TOKEN/ HTTP/1.2\r\nHost: cluster.test:4321\r\n\r\n")]
    [InlineData("GET  /TOKEN/ HTTP/1.1\r\nHost: cluster.test:4321\r\n\r\n")]
    [InlineData("G\u0001T /TOKEN/ HTTP/1.1\r\nHost: cluster.test:4321\r\n\r\n")]
    [InlineData("GET /TOKEN/\r\n\r\n")]
    [InlineData("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]
    public async Task Other_ways_to_write_a_request_are_refused_or_forwarded_as_one(string request)
    {
        var (answer, requests) = await SendAsync(request + Smuggled, halfClose: true);
        Assert.DoesNotContain(requests, r => r.Contains("smuggled", StringComparison.Ordinal));
        Assert.True(requests.Count <= 1, answer);
    }

    [Theory]
    [InlineData(31 * 1024, 200)]
    [InlineData(40 * 1024, 431)]
    public async Task Heads_pass_up_to_32_KiB(int size, int status)
    {
        var (answer, _) = await SendAsync(
            $"GET /TOKEN/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nConnection: close\r\nX-Large: {new string('a', size)}\r\n\r\n");
        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_backend_that_answers_with_two_lengths_is_not_believed()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\nokok");
        using var client = await proxy.ConnectAsync();
        var answer = await client.TalkAsync($"GET /{proxy.Route(backend.Address).Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nConnection: close\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 502 ", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_backend_sends_beyond_its_answer_reaches_no_other_request()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
        var path = $"/{proxy.Route(backend.Address).Value}/";
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal("ok", await proxy.Http.GetStringAsync(path));
        }
    }

    [Theory]
    [InlineData("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n")]
    [InlineData("Upgrade: SPDY/3.1\r\nConnection: Upgrade\r\n")]
    [InlineData("Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n")]
    [InlineData("Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n")]
    public async Task No_tunnel_is_opened_to_anything_but_a_web_socket(string headers)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = new RawBackend(async (connection, self) =>
        {
            var head = await connection.ReadUntilAsync("\r\n\r\n");
            self.Requests.Enqueue(head!);
            await connection.WriteAsync("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n");
            self.Requests.Enqueue(await connection.ReadToEndAsync());
        });
        using var client = await proxy.ConnectAsync();
        var answer = client.TalkAsync(
            $"GET /{proxy.Route(backend.Address).Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\n{headers}\r\nGET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 502 ", await Eventually.EndsAsync(answer, "both requests are answered"), StringComparison.Ordinal);
        Assert.DoesNotContain("upgrade", Assert.IsType<string>(backend.Requests.First()), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(backend.Requests, r => r.Contains("/ready", StringComparison.Ordinal));
    }

    private static async Task<(string Answer, IReadOnlyCollection<string> Requests)> SendAsync(
        string text, bool halfClose = false, Action<Plane.ProxyHost.ProxyOptions>? configure = null)
    {
        await using var proxy = await TestProxy.StartAsync(configure);
        await using var backend = RawBackend.Answering();
        var token = proxy.Route(backend.Address);
        using var client = await proxy.ConnectAsync();
        await client.Connection.WriteAsync(text.Replace("TOKEN", token.Value, StringComparison.Ordinal));
        // Behind whatever is left of the first message, so that a connection that stays open ends too.
        await client.Connection.WriteAsync($"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        if (halfClose)
        {
            client.Connection.Socket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
        }

        var answer = await Eventually.EndsAsync(client.Connection.ReadToEndAsync(), "the proxy closes the connection");
        return (answer, backend.Requests);
    }
}
