using System.Net;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Http;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>Bodies and sockets of any size and length pass as they come.</summary>
public sealed class StreamingTests
{
    [Theory]
    [InlineData(WebSocketMessageType.Text, 5)]
    [InlineData(WebSocketMessageType.Binary, 0)]
    [InlineData(WebSocketMessageType.Binary, 4 * 1024 * 1024)]
    public async Task A_web_socket_carries_messages_both_ways(WebSocketMessageType type, int size)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = await EchoAsync();
        using var socket = await OpenAsync(proxy, proxy.Route(backend.Address));
        var message = new byte[size];
        for (var i = 0; i < size; i++)
        {
            message[i] = (byte)('a' + (i % 26));
        }

        var sending = socket.SendAsync(message, type, true, CancellationToken.None);
        var (received, kind) = await Eventually.EndsAsync(ReceiveAsync(socket), "the echo comes back");
        await sending;
        Assert.Equal(type, kind);
        Assert.Equal(message, received);
    }

    [Fact]
    public async Task A_web_sockets_subprotocol_and_close_code_pass()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = await EchoAsync();
        using var socket = await OpenAsync(proxy, proxy.Route(backend.Address), o => o.AddSubProtocol("chat"));
        Assert.Equal("chat", socket.SubProtocol);
        await socket.CloseAsync((WebSocketCloseStatus)4321, "bye", CancellationToken.None);
        Assert.Equal((WebSocketCloseStatus)4321, socket.CloseStatus);
        Assert.Equal("bye", socket.CloseStatusDescription);
    }

    [Fact]
    public async Task A_web_socket_whose_client_vanishes_ends_at_the_backend()
    {
        await using var proxy = await TestProxy.StartAsync();
        var ended = new TaskCompletionSource();
        await using var backend = await WebBackend.StartAsync(
            async context =>
            {
                using var socket = await context.WebSockets.AcceptWebSocketAsync();
                var received = socket.ReceiveAsync(new byte[1], CancellationToken.None);
                await received.ContinueWith(_ => { }, TaskScheduler.Default);
                ended.SetResult();
            },
            webSockets: true);
        var socket = await OpenAsync(proxy, proxy.Route(backend.Address));
        socket.Abort();
        await Eventually.EndsAsync(ended.Task, "the backend's socket ends");
    }

    [Fact]
    public async Task A_backend_that_refuses_the_handshake_is_heard()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
        using var socket = new ClientWebSocket { Options = { CollectHttpResponseDetails = true } };
        socket.Options.SetRequestHeader("Host", TestProxy.Cluster);
        var address = new Uri($"ws://127.0.0.1:{proxy.Port}/{proxy.Route(backend.Address).Value}/");
        await Assert.ThrowsAsync<WebSocketException>(() => socket.ConnectAsync(address, CancellationToken.None));
        Assert.Equal(HttpStatusCode.Unauthorized, socket.HttpStatusCode);
    }

    [Fact]
    public async Task Events_arrive_as_they_are_sent_and_the_head_before_the_first()
    {
        await using var proxy = await TestProxy.StartAsync();
        var go = new SemaphoreSlim(0);
        await using var backend = await WebBackend.StartAsync(async context =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.Body.FlushAsync();
            for (var i = 0; i < 3; i++)
            {
                await go.WaitAsync(context.RequestAborted);
                await context.Response.WriteAsync($"data: {i}\n\n");
            }
        });
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/{proxy.Route(backend.Address).Value}/");
        using var response = await Eventually.EndsAsync(proxy.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead), "the head comes without an event");
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        for (var i = 0; i < 3; i++)
        {
            go.Release();
            Assert.Equal($"data: {i}", await Eventually.EndsAsync(reader.ReadLineAsync(), "each event comes before the next is sent"));
            await reader.ReadLineAsync();
        }
    }

    [Fact]
    public async Task A_request_is_sent_on_as_it_comes_head_and_body()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = new RawBackend(async (connection, self) =>
        {
            self.Requests.Enqueue((await connection.ReadUntilAsync("\r\n\r\n"))!);
            self.Requests.Enqueue((await connection.ReadUntilAsync("first"))!);
            await connection.ReadUntilAsync("second");
            await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        });
        using var client = await proxy.ConnectAsync();
        await client.Connection.WriteAsync(
            $"POST /{proxy.Route(backend.Address).Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nTransfer-Encoding: chunked\r\n\r\n");
        await Eventually.TrueAsync(() => backend.Requests.Count == 1, "the backend has the head");
        await client.Connection.WriteAsync("5\r\nfirst\r\n");
        await Eventually.TrueAsync(() => backend.Requests.Count == 2, "the backend has the first chunk");
        await client.Connection.WriteAsync("6\r\nsecond\r\n0\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200 ", await Eventually.EndsAsync(client.Connection.ReadMessageAsync(), "the answer"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_body_waits_for_the_backends_100_continue()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = new RawBackend(async (connection, self) =>
        {
            self.Requests.Enqueue((await connection.ReadUntilAsync("\r\n\r\n"))!);
            await connection.WriteAsync("HTTP/1.1 100 Continue\r\n\r\n");
            self.Requests.Enqueue(await connection.ReadExactlyAsync(4));
            await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        });
        using var client = await proxy.ConnectAsync();
        await client.Connection.WriteAsync(
            $"POST /{proxy.Route(backend.Address).Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
        Assert.Equal("HTTP/1.1 100 Continue\r\n\r\n", await Eventually.EndsAsync(client.Connection.ReadUntilAsync("\r\n\r\n"), "100"));
        Assert.Contains("Expect: 100-continue", Assert.Single(backend.Requests), StringComparison.OrdinalIgnoreCase);
        await client.Connection.WriteAsync("body");
        Assert.StartsWith("HTTP/1.1 200 ", await Eventually.EndsAsync(client.Connection.ReadMessageAsync(), "200"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_backend_that_refuses_an_expected_body_gets_none()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = new RawBackend(async (connection, self) =>
        {
            await connection.ReadUntilAsync("\r\n\r\n");
            await connection.WriteAsync("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            self.Requests.Enqueue(await connection.ReadToEndAsync());
        });
        using var client = await proxy.ConnectAsync();
        await client.Connection.WriteAsync(
            $"POST /{proxy.Route(backend.Address).Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nContent-Length: 40000\r\nExpect: 100-continue\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 413 ", await Eventually.EndsAsync(client.Connection.ReadUntilAsync("\r\n\r\n"), "413"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Trailers_reach_a_client_of_http_2()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.PriorKnowledgeHttp2 = true);
        await using var backend = RawBackend.Answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 42\r\n\r\n");
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/{proxy.Route(backend.Address).Value}/a%2Fb")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Headers = { Host = TestProxy.Cluster },
        };
        using var response = await proxy.Http.SendAsync(request);
        Assert.Equal("ok", await response.Content.ReadAsStringAsync());
        Assert.Equal("42", Assert.Single(response.TrailingHeaders.GetValues("x-sum")));
        Assert.Contains("GET /a%2Fb ", Assert.Single(backend.Requests), StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_other_tunnel_is_opened_over_http_2()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.PriorKnowledgeHttp2 = true);
        await using var backend = RawBackend.Answering();
        using var request = new HttpRequestMessage(HttpMethod.Connect, $"/{proxy.Route(backend.Address).Value}/")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Headers = { Host = TestProxy.Cluster, Protocol = "connect-udp" },
        };
        using var response = await proxy.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.NotImplemented, response.StatusCode);
        Assert.Empty(backend.Requests);
    }

    [Fact]
    public async Task A_web_socket_over_http_2_reaches_a_backend_of_http_1()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.PriorKnowledgeHttp2 = true);
        await using var backend = await EchoAsync();
        using var socket = new ClientWebSocket { Options = { HttpVersion = HttpVersion.Version20, HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact } };
        socket.Options.SetRequestHeader("Host", TestProxy.Cluster);
        using var invoker = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false });
        await socket.ConnectAsync(new Uri($"ws://127.0.0.1:{proxy.Port}/{proxy.Route(backend.Address).Value}/"), invoker, CancellationToken.None);
        await socket.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, CancellationToken.None);
        var (received, _) = await Eventually.EndsAsync(ReceiveAsync(socket), "the echo");
        Assert.Equal("hello"u8.ToArray(), received);
    }

    [Fact]
    public async Task Large_bodies_pass_both_ways_in_constant_memory()
    {
        const long Size = 200L * 1024 * 1024;
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = await WebBackend.StartAsync(async context =>
        {
            var buffer = new byte[65536];
            long received = 0;
            for (int read; (read = await context.Request.Body.ReadAsync(buffer)) > 0;)
            {
                received += read;
            }

            context.Response.ContentLength = Size;
            for (var left = received; left > 0; left -= buffer.Length)
            {
                await context.Response.Body.WriteAsync(buffer.AsMemory(0, (int)Math.Min(left, buffer.Length)));
            }
        });
        GC.Collect();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        long most = 0;
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/{proxy.Route(backend.Address).Value}/")
        {
            Content = new StreamContent(new Zeros(Size), 65536),
        };
        using var response = await proxy.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var body = await response.Content.ReadAsStreamAsync();
        var chunk = new byte[65536];
        long total = 0;
        var step = 0;
        for (int read; (read = await body.ReadAsync(chunk)) > 0; total += read)
        {
            if (++step % 400 == 0)
            {
                most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: true) - before);
            }
        }

        Assert.Equal(Size, total);

        // Other tests of this process run meanwhile; a copy of the body would show anyway.
        Assert.InRange(most, long.MinValue, Size / 2);
    }

    [Fact]
    public async Task A_client_that_leaves_ends_the_request_at_the_backend()
    {
        await using var proxy = await TestProxy.StartAsync();
        var ended = new TaskCompletionSource();
        await using var backend = await WebBackend.StartAsync(async context =>
        {
            await context.Response.WriteAsync("x");
            await context.Response.Body.FlushAsync();
            context.RequestAborted.Register(() => ended.TrySetResult());
            await ended.Task;
        });
        using (var client = await proxy.ConnectAsync())
        {
            await client.Connection.WriteAsync($"GET /{proxy.Route(backend.Address).Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\n\r\n");
            await client.Connection.ReadUntilAsync("x");
        }

        await Eventually.EndsAsync(ended.Task, "the backend's request is aborted");
        await Eventually.TrueAsync(() => proxy.Status.OpenRequests == 0, "nothing is open");
    }

    [Fact]
    public async Task A_client_that_does_not_read_holds_the_backend_back()
    {
        await using var proxy = await TestProxy.StartAsync();
        long sent = 0;
        var stalled = new TaskCompletionSource();
        await using var backend = new RawBackend(async (connection, _) =>
        {
            await connection.ReadUntilAsync("\r\n\r\n");
            await connection.WriteAsync("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            var chunk = new byte[65536];
            while (sent < 512 * 1024 * 1024)
            {
                var write = connection.WriteAsync(chunk);
                if (await Task.WhenAny(write, Task.Delay(1000)) != write)
                {
                    stalled.SetResult();
                }

                await write;
                Interlocked.Add(ref sent, chunk.Length);
            }
        });
        using var client = await proxy.ConnectAsync();
        await client.Connection.WriteAsync($"GET /{proxy.Route(backend.Address).Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\n\r\n");
        await Eventually.EndsAsync(stalled.Task, "the backend can't send on");
        Assert.InRange(Interlocked.Read(ref sent), 1, 64 * 1024 * 1024);
    }

    internal static Task<WebBackend> EchoAsync() => WebBackend.StartAsync(
        async context =>
        {
            using var socket = await context.WebSockets.AcceptWebSocketAsync(context.WebSockets.WebSocketRequestedProtocols.FirstOrDefault());
            var buffer = new byte[65536];
            while (true)
            {
                var part = await socket.ReceiveAsync(buffer, CancellationToken.None);
                if (part.MessageType == WebSocketMessageType.Close)
                {
                    await socket.CloseAsync(part.CloseStatus!.Value, part.CloseStatusDescription, CancellationToken.None);
                    return;
                }

                await socket.SendAsync(buffer.AsMemory(0, part.Count), part.MessageType, part.EndOfMessage, CancellationToken.None);
            }
        },
        webSockets: true);

    internal static async Task<ClientWebSocket> OpenAsync(TestProxy proxy, BearerToken token, Action<ClientWebSocketOptions>? configure = null)
    {
        var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Host", TestProxy.Cluster);
        configure?.Invoke(socket.Options);
        await socket.ConnectAsync(new Uri($"ws://127.0.0.1:{proxy.Port}/{token.Value}/"), CancellationToken.None);
        return socket;
    }

    private static async Task<(byte[] Message, WebSocketMessageType Type)> ReceiveAsync(WebSocket socket)
    {
        var message = new MemoryStream();
        var buffer = new byte[65536];
        while (true)
        {
            var part = await socket.ReceiveAsync(buffer, CancellationToken.None);
            message.Write(buffer, 0, part.Count);
            if (part.EndOfMessage)
            {
                return (message.ToArray(), part.MessageType);
            }
        }
    }

    private sealed class Zeros(long length) : Stream
    {
        private long _position;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => length;

        public override long Position { get => _position; set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = (int)Math.Min(count, length - _position);
            Array.Clear(buffer, offset, read);
            _position += read;
            return read;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
