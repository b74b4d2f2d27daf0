using System.Net.Sockets;
using Plane.ProxyHost.Forwarding;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>A line that was switched to another protocol is the backend's own connection, and nothing that was said on it meanwhile is lost.</summary>
public sealed class SwitchedLineTests
{
    private const string Handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    private const string Switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

    [Theory]
    [InlineData("greeting", "")]
    [InlineData("", "greeting")]
    [InlineData("gree", "ting")]
    public async Task What_the_backend_says_with_the_switch_or_after_it_arrives_and_so_does_the_answer(string with, string after)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = new RawBackend(async (connection, self) =>
        {
            await connection.ReadUntilAsync("\r\n\r\n");
            await connection.WriteAsync(Switched + with);
            Assert.Equal("go on", await connection.ReadExactlyAsync(5));
            await connection.WriteAsync(after);
            self.Requests.Enqueue(await connection.ReadExactlyAsync(6));
        });
        using var client = await proxy.ConnectAsync();
        await client.Connection.WriteAsync($"GET /{proxy.Route(backend.Address).Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\n{Handshake}");
        Assert.StartsWith("HTTP/1.1 101 ", await Eventually.EndsAsync(client.Connection.ReadUntilAsync("\r\n\r\n"), "the switch"), StringComparison.Ordinal);
        Assert.Equal(with, await Eventually.EndsAsync(client.Connection.ReadExactlyAsync(with.Length), "what came with the switch"));
        await client.Connection.WriteAsync("go on");
        Assert.Equal(after, await Eventually.EndsAsync(client.Connection.ReadExactlyAsync(after.Length), "what came after it"));
        await client.Connection.WriteAsync("thanks");
        await Eventually.TrueAsync(() => backend.Requests.Contains("thanks"), "the backend hears the answer");
        Assert.Equal("", await Eventually.EndsAsync(client.Connection.ReadToEndAsync(), "the backend's end is the client's"));
    }

    [Fact]
    public async Task The_handler_gives_up_the_connection_of_a_switched_line()
    {
        using var listener = new TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        using var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (context, cancellationToken) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
                return new BackendStream(socket);
            },
        };
        using var http = new HttpMessageInvoker(handler);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"http://{listener.LocalEndpoint}/"));
        request.Headers.Connection.Add("Upgrade");
        request.Headers.Upgrade.Add(new("websocket"));
        var answering = http.SendAsync(request, CancellationToken.None);
        using var peer = new RawConnection(await listener.AcceptSocketAsync());
        Assert.NotNull(await Eventually.EndsAsync(peer.ReadUntilAsync("\r\n\r\n"), "the request"));
        await peer.WriteAsync(Switched);
        using var response = await Eventually.EndsAsync(answering, "the switch");
        await using var taken = BackendStream.TakeFrom(await response.Content.ReadAsStreamAsync());

        // The handler's own line is over, the connection is not.
        Assert.NotNull(taken);
        response.Dispose();
        await taken.WriteAsync("to"u8.ToArray());
        Assert.Equal("to", await Eventually.EndsAsync(peer.ReadExactlyAsync(2), "what is written on it"));
        await peer.WriteAsync("fro");
        var buffer = new byte[3];
        await Eventually.EndsAsync(taken.ReadExactlyAsync(buffer).AsTask(), "what the backend says");
        Assert.Equal("fro"u8.ToArray(), buffer);
        await taken.DisposeAsync();
        Assert.Equal("", await Eventually.EndsAsync(peer.ReadToEndAsync(), "its end"));
    }
}
