using System.Net.Sockets;
using System.Text;

namespace Plane.Bench.Load;

/// <summary>WebSocket clients at the level of frames on bare sockets, so that the load costs less than what it measures.</summary>
internal static class WebSockets
{
    /// <summary>A connected socket, switched to frames.</summary>
    public static async Task<Socket> ConnectAsync(Uri url, CancellationToken cancellationToken = default)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync("127.0.0.1", url.Port, cancellationToken);
        var request = $"GET {url.AbsolutePath} HTTP/1.1\r\nHost: {url.Authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        await socket.SendAsync(Encoding.ASCII.GetBytes(request), cancellationToken);
        var head = new byte[2048];
        var read = 0;
        while (!head.AsSpan(0, read).EndsWith("\r\n\r\n"u8))
        {
            var count = await socket.ReceiveAsync(head.AsMemory(read), cancellationToken);
            read += count;
            if (count == 0 || read == head.Length)
            {
                throw new InvalidOperationException($"{url}: no upgrade: {Encoding.ASCII.GetString(head, 0, read)}");
            }
        }

        return head.AsSpan(0, read).StartsWith("HTTP/1.1 101"u8) ? socket : throw new InvalidOperationException($"{url}: {Encoding.ASCII.GetString(head, 0, read)}");
    }

    /// <summary>Each connection sends a message, waits for its echo, and sends the next: messages a second over all, and the median time of one in milliseconds.</summary>
    public static async Task<(double PerSecond, double Median)> PingPongAsync(Uri url, int connections, int bytes, TimeSpan duration)
    {
        var sockets = await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => ConnectAsync(url)));
        try
        {
            var begun = TimeProvider.System.GetTimestamp();
            var times = await Task.WhenAll(sockets.Select(s => Task.Run(() => PlayAsync(s, bytes, duration))));
            var seconds = TimeProvider.System.GetElapsedTime(begun).TotalSeconds;
            var all = times.SelectMany(t => t).Order().ToArray();
            return (all.Length / seconds, all[all.Length / 2]);
        }
        finally
        {
            Array.ForEach(sockets, s => s.Dispose());
        }
    }

    private static async Task<List<double>> PlayAsync(Socket socket, int bytes, TimeSpan duration)
    {
        // A client's frame: masked, with a mask of zeros, so that the payload is as it is.
        var frame = new byte[6 + bytes];
        frame[0] = 0x82;
        frame[1] = (byte)(0x80 | bytes);
        var buffer = new byte[4096];
        var times = new List<double>();
        var time = TimeProvider.System;
        var begun = time.GetTimestamp();
        while (time.GetElapsedTime(begun) < duration)
        {
            var sent = time.GetTimestamp();
            await socket.SendAsync(frame);
            for (var read = 0; read < bytes + 2;)
            {
                var count = await socket.ReceiveAsync(buffer);
                read += count > 0 ? count : throw new InvalidOperationException("the echo's connection ended");
            }

            times.Add(time.GetElapsedTime(sent).TotalMilliseconds);
        }

        return times;
    }
}
