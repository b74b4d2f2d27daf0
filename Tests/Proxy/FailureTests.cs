using System.Net;
using System.Net.Sockets;
using System.Text;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>What a client gets when its backend fails.</summary>
public sealed class FailureTests
{
    [Fact]
    public async Task A_refused_connection_is_502_after_the_route_was_asked_for_again()
    {
        await using var proxy = await TestProxy.StartAsync();
        var token = proxy.Route(Closed());
        Assert.Equal(HttpStatusCode.BadGateway, (await proxy.Http.GetAsync($"/{token.Value}/")).StatusCode);
        Assert.Equal(2, proxy.Controller.Resolves);
    }

    [Fact]
    public async Task A_refused_connection_of_a_route_that_has_changed_is_tried_once_more_with_its_body()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var token = proxy.Route(Closed());
        proxy.Controller.OnResolve = (_, _, _) =>
        {
            var first = proxy.Controller.Resolves == 1;
            var route = proxy.Controller.Add(token, first ? Closed() : backend.Address, r => r with { Backend = new BackendIdentity(BackendName.Parse("b"), new FencingToken(first ? 1 : 2)) });
            return Task.FromResult(new RouteReply { Outcome = RouteOutcome.Found, Route = route, ReadAt = proxy.Controller.Position });
        };
        using var content = new StringContent("the body");
        var response = await proxy.Http.PostAsync($"/{token.Value}/", content);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.EndsWith("the body", Assert.Single(backend.Requests), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_connection_of_an_ended_backend_is_410()
    {
        await using var proxy = await TestProxy.StartAsync();
        var backend = RawBackend.Answering();
        var token = proxy.Route(backend.Address);
        await proxy.Http.GetStringAsync($"/{token.Value}/");
        await backend.DisposeAsync();
        proxy.Controller.ForgetSilently(token);
        Assert.Equal(HttpStatusCode.Gone, (await proxy.Http.GetAsync($"/{token.Value}/")).StatusCode);
    }

    [Fact]
    public async Task A_backend_that_is_slow_to_accept_is_504()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.ConnectTimeout = TimeSpan.FromMilliseconds(300));

        // A queue of one that is full: the kernel drops further connection requests unanswered.
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(0);
        var filling = new List<Socket>();
        try
        {
            while (true)
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                filling.Add(socket);
                using var limit = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
                await socket.ConnectAsync(listener.LocalEndPoint!, limit.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The queue is full.
        }

        var response = await proxy.Http.GetAsync($"/{proxy.Route(listener.LocalEndPoint!.ToString()!).Value}/");
        filling.ForEach(s => s.Dispose());
        Assert.Equal(HttpStatusCode.GatewayTimeout, response.StatusCode);
        Assert.Equal(1, proxy.Controller.Resolves);
    }

    [Fact]
    public async Task A_backend_that_does_not_begin_to_answer_in_15_minutes_is_504()
    {
        var time = new ManualTime();
        await using var proxy = await TestProxy.StartAsync(time: time);
        var asked = new TaskCompletionSource();
        await using var backend = new RawBackend(async (connection, _) =>
        {
            await connection.ReadUntilAsync("\r\n\r\n");
            asked.SetResult();
            await connection.ReadToEndAsync();
        });
        var response = proxy.Http.GetAsync($"/{proxy.Route(backend.Address).Value}/");
        await Eventually.EndsAsync(asked.Task, "the backend is asked");
        time.Advance(TimeSpan.FromMinutes(15));
        Assert.Equal(HttpStatusCode.GatewayTimeout, (await Eventually.EndsAsync(response, "504")).StatusCode);
    }

    [Fact]
    public async Task A_response_that_has_begun_may_pause_for_hours()
    {
        var time = new ManualTime();
        await using var proxy = await TestProxy.StartAsync(time: time);
        var go = new TaskCompletionSource();
        await using var backend = new RawBackend(async (connection, _) =>
        {
            await connection.ReadUntilAsync("\r\n\r\n");
            await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
            await go.Task;
            await connection.WriteAsync("k");
        });
        using var client = await proxy.ConnectAsync();
        await client.Connection.WriteAsync($"GET /{proxy.Route(backend.Address).Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\n\r\n");
        await Eventually.EndsAsync(client.Connection.ReadUntilAsync("\r\n\r\no"), "the first byte");
        time.Advance(TimeSpan.FromHours(5));
        go.SetResult();
        Assert.Equal("k", await Eventually.EndsAsync(client.Connection.ReadExactlyAsync(1), "the second"));
    }

    [Fact]
    public async Task A_slow_upload_does_not_count_as_a_slow_backend()
    {
        var time = new ManualTime();
        await using var proxy = await TestProxy.StartAsync(time: time);
        await using var backend = new RawBackend(async (connection, self) =>
        {
            await connection.ReadUntilAsync("\r\n\r\n");
            for (var i = 0; i < 5; i++)
            {
                self.Requests.Enqueue(await connection.ReadExactlyAsync(1));
            }

            await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        });
        using var client = await proxy.ConnectAsync();
        await client.Connection.WriteAsync(
            $"POST /{proxy.Route(backend.Address).Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nContent-Length: 5\r\n\r\n");
        for (var i = 1; i <= 5; i++)
        {
            await client.Connection.WriteAsync("x");
            await Eventually.TrueAsync(() => backend.Requests.Count == i, $"the backend has byte {i}");
            time.Advance(i == 5 ? TimeSpan.Zero : TimeSpan.FromMinutes(10));
        }

        Assert.StartsWith("HTTP/1.1 200 ", await Eventually.EndsAsync(client.Connection.ReadMessageAsync(), "the answer"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Le")]
    [InlineData("this is no HTTP\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nX-Bad: a\u0001b\r\nContent-Length: 0\r\n\r\n")]
    public async Task A_backend_that_breaks_off_before_its_answer_is_502(string sent)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = new RawBackend(async (connection, self) =>
        {
            if (await connection.ReadUntilAsync("\r\n\r\n") is { } request)
            {
                self.Requests.Enqueue(request);
                await connection.WriteAsync(sent);
            }
        });
        Assert.Equal(HttpStatusCode.BadGateway, (await proxy.Http.GetAsync($"/{proxy.Route(backend.Address).Value}/")).StatusCode);
        Assert.Single(backend.Requests);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n")]
    public async Task A_backend_that_dies_within_its_answer_never_looks_complete(string sent)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = new RawBackend(async (connection, _) =>
        {
            await connection.ReadUntilAsync("\r\n\r\n");
            await connection.WriteAsync(sent);
        });
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => proxy.Http.GetStringAsync($"/{proxy.Route(backend.Address).Value}/"));
    }

    [Fact]
    public async Task A_backend_that_answers_by_the_head_alone_and_closes_is_heard()
    {
        await using var proxy = await TestProxy.StartAsync();

        // A body that came later would reset the connection.
        await using var backend = new RawBackend(async (connection, self) =>
        {
            var read = new byte[4096];
            self.Requests.Enqueue(Encoding.Latin1.GetString(read, 0, await connection.Socket.ReceiveAsync(read)));
            await connection.WriteAsync("HTTP/1.0 200 OK\r\n\r\nok");
        });
        var path = $"/{proxy.Route(backend.Address).Value}/";
        for (var i = 0; i < 50; i++)
        {
            using var response = await proxy.Http.PostAsync(path, new StringContent("x"));
            Assert.Equal("ok", await response.Content.ReadAsStringAsync());
        }

        Assert.All(backend.Requests, request => Assert.EndsWith("\r\n\r\nx", request, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    [InlineData("DELETE")]
    public async Task A_request_that_was_sent_is_never_sent_again(string method)
    {
        await using var proxy = await TestProxy.StartAsync();

        // Each kept connection ends without an answer to its second request, as that of a backend that dies while it acts on it.
        await using var backend = new RawBackend(async (connection, self) =>
        {
            if (await connection.ReadMessageAsync() is null)
            {
                return;
            }

            await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            if (await connection.ReadMessageAsync() is { } second)
            {
                self.Requests.Enqueue(second);
            }
        });
        var path = $"/{proxy.Route(backend.Address).Value}/";
        await proxy.Http.GetAsync(path);
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        Assert.Equal(HttpStatusCode.BadGateway, (await proxy.Http.SendAsync(request)).StatusCode);
        Assert.StartsWith(method, Assert.Single(backend.Requests), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GET", HttpStatusCode.OK)]
    [InlineData("HEAD", HttpStatusCode.OK)]
    [InlineData("POST", HttpStatusCode.BadGateway)]
    [InlineData("DELETE", HttpStatusCode.BadGateway)]
    public async Task A_request_that_the_backend_has_not_read_is_sent_again_where_that_is_safe(string method, HttpStatusCode expected)
    {
        await using var proxy = await TestProxy.StartAsync();
        var connections = 0;

        // As a server that had no time to run: it closes its idle connection, over which a request has come meanwhile.
        await using var backend = new RawBackend(async (connection, self) =>
        {
            var isFirst = Interlocked.Increment(ref connections) == 1;
            while (await connection.ReadMessageAsync() is { } message)
            {
                self.Requests.Enqueue(message);
                await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                if (isFirst)
                {
                    await Eventually.TrueAsync(() => connection.Socket.Available > 0, "the second request has come");
                    return;
                }
            }
        });
        var path = $"/{proxy.Route(backend.Address).Value}/";
        await proxy.Http.GetAsync(path);
        using var request = new HttpRequestMessage(new HttpMethod(method), path);

        Assert.Equal(expected, (await proxy.Http.SendAsync(request)).StatusCode);
        Assert.Equal(expected == HttpStatusCode.OK ? 2 : 1, backend.Requests.Count);
    }

    [Fact]
    public async Task A_client_that_breaks_off_its_body_breaks_it_off_for_the_backend()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = new RawBackend(async (connection, self) =>
        {
            await connection.ReadUntilAsync("half");
            self.Requests.Enqueue("half");
            self.Requests.Enqueue("then " + await connection.ReadToEndAsync());
        });
        using (var client = await proxy.ConnectAsync())
        {
            await client.Connection.WriteAsync(
                $"POST /{proxy.Route(backend.Address).Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
            await Eventually.TrueAsync(() => backend.Requests.Count == 1, "the backend has half of it");
            client.Connection.Reset();
        }

        await Eventually.TrueAsync(() => backend.Requests.Count == 2, "the backend's connection ends");
        Assert.DoesNotContain("0\r\n\r\n", backend.Requests.Last(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_address_that_is_none_is_503_and_said_in_the_log()
    {
        await using var proxy = await TestProxy.StartAsync();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await proxy.Http.GetAsync($"/{proxy.Route("not an address").Value}/")).StatusCode);
        Assert.Contains(proxy.Log.Lines, l => l.StartsWith("Error", StringComparison.Ordinal) && l.Contains("6504", StringComparison.Ordinal));
    }

    // A port that nobody listens on: it was free a moment ago, and stays bound here without listening.
    private static string Closed()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return socket.LocalEndPoint!.ToString()!;
    }
}
