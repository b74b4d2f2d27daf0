using System.Buffers;
using System.Net;
using System.Net.WebSockets;

namespace Plane.Bench.Peers;

/// <summary>A backend on bare Kestrel that sends back every WebSocket message, and swallows uploads.</summary>
internal static class EchoBackend
{
    public static async Task ServeAsync(int port)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k =>
        {
            k.Listen(IPAddress.Loopback, port);
            k.Limits.MaxRequestBodySize = null;
        });
        await using var app = builder.Build();
        app.UseWebSockets(new WebSocketOptions { KeepAliveInterval = TimeSpan.Zero });
        app.Run(async context =>
        {
            if (context.WebSockets.IsWebSocketRequest)
            {
                using var socket = await context.WebSockets.AcceptWebSocketAsync();
                await EchoAsync(socket, context.RequestAborted);
            }
            else
            {
                // A smaller buffer than the body, however large that is.
                await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);
            }
        });
        await app.RunAsync();
    }

    private static async Task EchoAsync(WebSocket socket, CancellationToken aborted)
    {
        // Nothing is held while a connection is idle: a buffer is taken when bytes are there.
        while (socket.State == WebSocketState.Open)
        {
            try
            {
                await socket.ReceiveAsync(Memory<byte>.Empty, aborted);
                var buffer = ArrayPool<byte>.Shared.Rent(8192);
                try
                {
                    var received = await socket.ReceiveAsync(buffer.AsMemory(), aborted);
                    if (received.MessageType == WebSocketMessageType.Close)
                    {
                        return;
                    }

                    await socket.SendAsync(buffer.AsMemory(0, received.Count), received.MessageType, received.EndOfMessage, aborted);
                }
                finally
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                }
            }
            catch (Exception e) when (e is WebSocketException or OperationCanceledException)
            {
                // The load is over and its sockets with it.
                return;
            }
        }
    }
}
