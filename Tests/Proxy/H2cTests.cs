using System.Net;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Http;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>Backends that speak HTTP/2 without TLS, before clients of HTTP/1.1 and HTTP/2.</summary>
public sealed class H2cTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_backend_is_spoken_to_in_http2_whatever_the_client_speaks(bool http2)
    {
        await using var proxy = await StartAsync(http2);
        await using var backend = await WebBackend.StartAsync(
            async context => await context.Response.WriteAsync($"{context.Request.Protocol} {context.Request.Path} {context.Request.Host} {context.Request.Headers["x-verified-username"]}"),
            h2c: true);
        using var response = await SendAsync(proxy, Route(proxy, backend), "/a", http2);
        Assert.Equal($"HTTP/2 /a {TestProxy.Cluster} ada", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Trailers_reach_the_client_and_the_backend_knows_that_they_do()
    {
        await using var proxy = await StartAsync(http2: true);
        await using var backend = await WebBackend.StartAsync(
            async context =>
            {
                context.Response.DeclareTrailer("grpc-status");
                await context.Response.WriteAsync(context.Request.Headers.TE.ToString());
                context.Response.AppendTrailer("grpc-status", "0");
                context.Response.AppendTrailer("Set-Cookie", "a=1");
            },
            h2c: true);
        using var response = await SendAsync(proxy, Route(proxy, backend), "/", http2: true, ("TE", "trailers"));
        Assert.Equal("trailers", await response.Content.ReadAsStringAsync());
        Assert.Equal("0", Assert.Single(response.TrailingHeaders.GetValues("grpc-status")));
        Assert.False(response.TrailingHeaders.Contains("Set-Cookie"));
    }

    [Fact]
    public async Task Trailers_of_a_backend_that_speaks_http1_pass_too()
    {
        await using var proxy = await StartAsync(http2: true);
        await using var backend = RawBackend.Answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 42\r\n\r\n");
        using var response = await SendAsync(proxy, proxy.Route(backend.Address), "/", http2: true);
        Assert.Equal("ok", await response.Content.ReadAsStringAsync());
        Assert.Equal("42", Assert.Single(response.TrailingHeaders.GetValues("x-sum")));
    }

    [Fact]
    public async Task A_status_in_the_head_ends_with_the_head()
    {
        await using var proxy = await StartAsync(http2: true);
        await using var backend = await WebBackend.StartAsync(
            context =>
            {
                context.Response.Headers["grpc-status"] = "12";
                context.Response.ContentType = "application/grpc";
                return Task.CompletedTask;
            },
            h2c: true);
        using var client = await proxy.ConnectAsync();
        await client.Connection.WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0");
        var head = Literal(":method", "POST") + Literal(":scheme", "http") + Literal(":authority", TestProxy.Cluster) + Literal(":path", $"/{Route(proxy, backend).Value}/x");
        await client.Connection.WriteAsync(Frame(1, 0x5, head));
        while (true)
        {
            var frame = await Eventually.EndsAsync(client.Connection.ReadExactlyAsync(9), "a frame");
            var length = (frame[0] << 16) + (frame[1] << 8) + frame[2];
            await client.Connection.ReadExactlyAsync(length);
            if (frame[3] == 1)
            {
                // Clients take the status for one only where this frame has the flag END_STREAM.
                Assert.Equal(0x1, frame[4] & 0x1);
                return;
            }
        }

        static string Literal(string name, string value) => $"\0{(char)name.Length}{name}{(char)value.Length}{value}";
        static string Frame(int type, int flags, string payload) => $"\0\0{(char)payload.Length}{(char)type}{(char)flags}\0\0\0\u0001{payload}";
    }

    [Fact]
    public async Task Both_directions_flow_at_once()
    {
        await using var proxy = await StartAsync(http2: true);
        await using var backend = await WebBackend.StartAsync(
            async context =>
            {
                await context.Response.StartAsync();
                var buffer = new byte[100];
                for (int read; (read = await context.Request.Body.ReadAsync(buffer)) > 0;)
                {
                    await context.Response.Body.WriteAsync(buffer.AsMemory(0, read));
                }
            },
            h2c: true);
        var pipe = new System.IO.Pipelines.Pipe();
        using var body = new PipeContent(pipe.Reader);
        using var request = Request(Route(proxy, backend), "/", http2: true);
        (request.Method, request.Content) = (HttpMethod.Post, body);
        await pipe.Writer.WriteAsync("one"u8.ToArray());
        using var response = await Eventually.EndsAsync(proxy.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead), "the head comes before the body has ended");
        await using var stream = await response.Content.ReadAsStreamAsync();
        foreach (var word in new[] { "one", "two", "six" })
        {
            if (word != "one")
            {
                await pipe.Writer.WriteAsync(System.Text.Encoding.ASCII.GetBytes(word));
            }

            var read = new byte[3];
            await Eventually.EndsAsync(stream.ReadExactlyAsync(read).AsTask(), word);
            Assert.Equal(word, System.Text.Encoding.ASCII.GetString(read));
        }

        await pipe.Writer.CompleteAsync();
        Assert.Equal(0, await Eventually.EndsAsync(stream.ReadAsync(new byte[1]).AsTask(), "the end"));
    }

    [Fact]
    public async Task A_client_that_leaves_is_noticed_by_the_backend_and_other_requests_go_on()
    {
        await using var proxy = await StartAsync(http2: true);
        var left = new TaskCompletionSource();
        var begun = new TaskCompletionSource();
        await using var backend = await WebBackend.StartAsync(
            async context =>
            {
                if (context.Request.Path == "/waits")
                {
                    begun.SetResult();
                    await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => left.SetResult(), TaskScheduler.Default);
                }
            },
            h2c: true);
        var token = Route(proxy, backend);
        using var cancel = new CancellationTokenSource();
        using var request = Request(token, "/waits", http2: true);
        var waiting = proxy.Http.SendAsync(request, cancel.Token);
        await Eventually.EndsAsync(begun.Task, "the backend has it");
        await cancel.CancelAsync();
        await Eventually.EndsAsync(left.Task, "the backend notices");
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        using var other = await SendAsync(proxy, token, "/", http2: true);
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_web_socket_opens_to_a_backend_that_takes_them_over_http2(bool http2)
    {
        await using var proxy = await StartAsync(http2);
        await using var backend = await WebBackend.StartAsync(
            async context =>
            {
                using var accepted = await context.WebSockets.AcceptWebSocketAsync();
                var buffer = new byte[100];
                var message = await accepted.ReceiveAsync(buffer, CancellationToken.None);
                await accepted.SendAsync(buffer.AsMemory(0, message.Count), WebSocketMessageType.Text, true, CancellationToken.None);
                await accepted.CloseAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None);
            },
            webSockets: true,
            h2c: true);
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Host", TestProxy.Cluster);
        socket.Options.HttpVersion = http2 ? HttpVersion.Version20 : HttpVersion.Version11;
        socket.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        using var invoker = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false });
        await socket.ConnectAsync(new Uri($"ws://127.0.0.1:{proxy.Port}/{Route(proxy, backend).Value}/"), invoker, CancellationToken.None);
        await socket.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, CancellationToken.None);
        var read = new byte[100];
        var received = await Eventually.EndsAsync(socket.ReceiveAsync(read, CancellationToken.None), "the echo");
        Assert.Equal("hello", System.Text.Encoding.ASCII.GetString(read, 0, received.Count));
    }

    [Fact]
    public async Task A_backend_that_speaks_only_http1_is_unreachable_by_h2c()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var response = await proxy.Http.GetAsync($"/{Route(proxy, backend.Address).Value}/");
        Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
    }

    /// <summary>A body that continues while the response comes, which a StreamContent does not.</summary>
    private sealed class PipeContent(System.IO.Pipelines.PipeReader reader) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            while (await reader.ReadAsync() is { Buffer.IsEmpty: false } read)
            {
                foreach (var piece in read.Buffer)
                {
                    await stream.WriteAsync(piece);
                }

                await stream.FlushAsync();
                reader.AdvanceTo(read.Buffer.End);
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    private static Task<TestProxy> StartAsync(bool http2) => TestProxy.StartAsync(o => o.PriorKnowledgeHttp2 = http2);

    private static BearerToken Route(TestProxy proxy, WebBackend backend) => Route(proxy, backend.Address);

    private static BearerToken Route(TestProxy proxy, string address) =>
        proxy.Route(address, r => r with { User = "ada", Web = new WebSettings { Protocol = BackendProtocol.H2c } });

    private static HttpRequestMessage Request(BearerToken token, string path, bool http2) => new(HttpMethod.Get, $"/{token.Value}{path}")
    {
        Version = http2 ? HttpVersion.Version20 : HttpVersion.Version11,
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    private static async Task<HttpResponseMessage> SendAsync(TestProxy proxy, BearerToken token, string path, bool http2, params (string Name, string Value)[] headers)
    {
        using var request = Request(token, path, http2);
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return await proxy.Http.SendAsync(request);
    }
}
