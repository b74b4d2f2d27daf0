using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;

namespace Plane.Chaos.Parts;

/// <summary>
/// Stands between one program and the gateway and knows the gateway's frames. A stream of bytes can only be stalled or cut: TCP hides from its users whatever
/// else a network does to packets. Below the calls, however, a protocol may not rely on more than "a call may be lost, late, overtaken, or made twice", and that
/// is what this relay does to single frames. A repeated call gets an id of its own (to use one twice is an error of the protocol, and no
/// network makes one); its answer goes nowhere.
/// </summary>
internal sealed class FrameRelay : IRelay
{
    private const long RepeatedIds = 1_000_000_000_000;
    private const int MaxHead = 16 * 1024;

    // These begin a connection, in this order, or it is none.
    private static readonly string[] Handshake = ["[\"hello\"", "[\"challenge\"", "[\"proof\"", "[\"contract\"", "[\"welcome\""];

    private readonly Acceptor _acceptor;
    private readonly Uri _gateway;
    private readonly Func<IPAddress, Way> _way;
    private readonly Random _random;

    public FrameRelay(IPEndPoint listen, Uri gateway, Func<IPAddress, Way> way, int seed)
    {
        (_gateway, _way) = (gateway, way);
        _random = new Random(seed);
        _acceptor = new Acceptor(listen, RelayAsync);
    }

    public ValueTask DisposeAsync() => _acceptor.DisposeAsync();

    private async Task RelayAsync(Socket client, CancellationToken stop)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        using var _ = client;
        using var up = new ClientWebSocket();
        try
        {
            client.NoDelay = true;
            var weather = _way(((IPEndPoint)client.RemoteEndPoint!).Address).Weather;
            await weather.OpenAsync(up: true).WaitAsync(over.Token);
            up.Options.KeepAliveInterval = TimeSpan.Zero;
            up.Options.Proxy = null;
            await using var stream = new NetworkStream(client);
            var key = await HeadAsync(stream, over.Token);
            await up.ConnectAsync(_gateway, over.Token);
            await stream.WriteAsync(Encoding.ASCII.GetBytes(
                $"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {Accept(key)}\r\n\r\n"), over.Token);
            using var down = WebSocket.CreateFromStream(stream, new WebSocketCreationOptions { IsServer = true, KeepAliveInterval = TimeSpan.Zero });
            Task[] pumps = [PumpAsync(down, up, weather, isUp: true, over.Token), PumpAsync(up, down, weather, isUp: false, over.Token)];
            await Task.WhenAny(pumps);
            await over.CancelAsync();
            up.Abort();
            down.Abort();
            await Task.WhenAll(pumps);
        }
        catch (Exception e) when (IsEnd(e))
        {
            // One end went away or was never there: the other sees its connection break, which is what it would have seen without us.
            await over.CancelAsync();
        }
    }

    private async Task PumpAsync(WebSocket from, WebSocket to, Weather weather, bool isUp, CancellationToken over)
    {
        var outgoing = Channel.CreateUnbounded<ReadOnlyMemory<byte>>();
        var sending = SendAsync(to, outgoing.Reader, weather, isUp, over);
        try
        {
            using var message = new MemoryStream();
            var buffer = new byte[64 * 1024];
            while (true)
            {
                var part = await from.ReceiveAsync(buffer.AsMemory(), over);
                if (part.MessageType == WebSocketMessageType.Close)
                {
                    return;
                }

                message.Write(buffer, 0, part.Count);
                if (part.EndOfMessage)
                {
                    OnMessage(message.ToArray(), weather, isUp, outgoing.Writer, over);
                    message.SetLength(0);
                }
            }
        }
        catch (Exception e) when (IsEnd(e))
        {
            // The connection's end, whichever side's.
        }
        finally
        {
            outgoing.Writer.TryComplete();
            await sending;
        }
    }

    private void OnMessage(byte[] message, Weather weather, bool isUp, ChannelWriter<ReadOnlyMemory<byte>> outgoing, CancellationToken over)
    {
        var text = Encoding.UTF8.GetString(message);
        if (Handshake.Any(h => text.StartsWith(h, StringComparison.Ordinal)))
        {
            outgoing.TryWrite(message);
            return;
        }

        foreach (var frame in text.Split('\n'))
        {
            if (weather.Loses(isUp) || Chance(weather.Loss))
            {
                weather.CountLost();
                continue;
            }

            var id = IdOf(frame);
            if (!isUp && id >= RepeatedIds)
            {
                continue;
            }

            var bytes = Encoding.UTF8.GetBytes(frame);
            Pass(bytes, Some(weather.Delay), weather, outgoing, over);
            if (isUp && id is > 0 && frame.StartsWith("[\"c\",", StringComparison.Ordinal) && Chance(weather.Repeat))
            {
                weather.CountRepeated();
                var digits = id.Value.ToString(CultureInfo.InvariantCulture);
                var again = string.Concat("[\"c\",", (id.Value + RepeatedIds).ToString(CultureInfo.InvariantCulture), frame.AsSpan("[\"c\",".Length + digits.Length));
                Pass(Encoding.UTF8.GetBytes(again), Some(weather.RepeatWithin), weather, outgoing, over);
            }
        }
    }

    private static void Pass(byte[] frame, TimeSpan delay, Weather weather, ChannelWriter<ReadOnlyMemory<byte>> outgoing, CancellationToken over)
    {
        if (delay <= TimeSpan.Zero)
        {
            outgoing.TryWrite(frame);
            return;
        }

        weather.CountDelayed();
        // Too late for a connection that is over: then the frame is lost with it.
        Task.Delay(delay, TimeProvider.System, over).ContinueWith(_ => outgoing.TryWrite(frame), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
    }

    private static async Task SendAsync(WebSocket to, ChannelReader<ReadOnlyMemory<byte>> outgoing, Weather weather, bool isUp, CancellationToken over)
    {
        try
        {
            await foreach (var message in outgoing.ReadAllAsync(over))
            {
                await weather.OpenAsync(isUp).WaitAsync(over);
                await to.SendAsync(message, WebSocketMessageType.Text, endOfMessage: true, over);
            }
        }
        catch (Exception e) when (IsEnd(e))
        {
            // The connection's end, whichever side's.
        }
    }

    private bool Chance(double probability)
    {
        lock (_random)
        {
            return probability > 0 && _random.NextDouble() < probability;
        }
    }

    private TimeSpan Some(TimeSpan most)
    {
        lock (_random)
        {
            return most <= TimeSpan.Zero ? TimeSpan.Zero : most * _random.NextDouble();
        }
    }

    /// <summary>The number after the frame's kind, if there is one.</summary>
    private static long? IdOf(string frame)
    {
        var comma = frame.IndexOf(',', StringComparison.Ordinal);
        var digits = comma < 0 ? "" : new string([.. frame.Skip(comma + 1).TakeWhile(char.IsAsciiDigit)]);
        return long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : null;
    }

    private static async Task<string> HeadAsync(NetworkStream stream, CancellationToken cancellationToken)
    {
        var buffer = new byte[MaxHead];
        for (var filled = 0; filled < buffer.Length;)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(filled), cancellationToken);
            if (read == 0)
            {
                break;
            }

            filled += read;
            if (buffer.AsSpan(0, filled).EndsWith("\r\n\r\n"u8))
            {
                return Encoding.ASCII.GetString(buffer, 0, filled).Split("\r\n")
                    .Where(line => line.StartsWith("Sec-WebSocket-Key:", StringComparison.OrdinalIgnoreCase))
                    .Select(line => line.Split(':', 2)[1].Trim())
                    .FirstOrDefault() ?? throw new IOException("no WebSocket");
            }
        }

        throw new IOException("no request");
    }

    private static string Accept(string key)
    {
#pragma warning disable CA5350 // RFC 6455, 4.2.2: the handshake is defined with SHA-1.
        return Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
#pragma warning restore CA5350
    }

    private static bool IsEnd(Exception e) =>
        e is IOException or SocketException or WebSocketException or OperationCanceledException or ObjectDisposedException or InvalidOperationException;
}
