using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;

namespace Plane.Chaos.Parts;

/// <summary>
/// Stands between two programs that speak a protocol which is not looked into: it delays and stalls their bytes, each direction by itself, and cuts their connections. Nothing
/// else is done, since TCP hides the rest: what is lost for good is lost with its connection, and no byte overtakes another.
/// </summary>
internal sealed class ByteRelay : IAsyncDisposable
{
    private const int ChunkSize = 32 * 1024;
    private const int ChunksUnderWay = 64;

    private readonly Acceptor _acceptor;
    private readonly IPEndPoint _target;
    private readonly Func<IPAddress, Way> _way;
    private readonly Random _random;

    /// <param name="listen">Where it listens.</param>
    /// <param name="target">Who is behind it.</param>
    /// <param name="way">The way of one who connects, by its address.</param>
    /// <param name="seed">For what is left to chance.</param>
    public ByteRelay(IPEndPoint listen, IPEndPoint target, Func<IPAddress, Way> way, int seed)
    {
        (_target, _way, _random) = (target, way, new Random(seed));
        _acceptor = new Acceptor(listen, RelayAsync);
    }

    public ValueTask DisposeAsync() => _acceptor.DisposeAsync();

    private async Task RelayAsync(Socket client, CancellationToken stop)
    {
        using var _ = client;
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        try
        {
            client.NoDelay = true;
            var (weather, reversed) = _way(((IPEndPoint)client.RemoteEndPoint!).Address);

            // The handshake takes both directions.
            await weather.OpenAsync(up: true).WaitAsync(over.Token);
            await weather.OpenAsync(up: false).WaitAsync(over.Token);
            await server.ConnectAsync(_target, over.Token);
            var ended = await Task.WhenAll(PumpAsync(client, server, weather, !reversed, over), PumpAsync(server, client, weather, reversed, over));
            if (ended.Any(e => e))
            {
                return;
            }
        }
        catch (Exception e) when (IsEnd(e))
        {
            // One end went away or was never there: the other sees its connection break, which is what it would have seen without us.
            await over.CancelAsync();
        }

        // As a connection breaks, not as one end closes it.
        client.LingerState = server.LingerState = new LingerOption(true, 0);
    }

    /// <summary>One direction; its end is the connection's. True where that came from the sender, and everything before it was delivered.</summary>
    private async Task<bool> PumpAsync(Socket from, Socket to, LinkConditions weather, bool up, CancellationTokenSource over)
    {
        var underWay = Channel.CreateBounded<(ReadOnlyMemory<byte> Bytes, TimeSpan Due)>(ChunksUnderWay);
        var sending = SendAsync(to, underWay.Reader, weather, up, over);
        var buffer = new byte[ChunkSize];
        var closed = false;
        try
        {
            while (await from.ReceiveAsync(buffer.AsMemory(), over.Token) is > 0 and var count)
            {
                var due = Due(weather);
                await underWay.Writer.WriteAsync((buffer.AsSpan(0, count).ToArray(), due), over.Token);
            }

            closed = true;
        }
        catch (Exception e) when (IsEnd(e))
        {
            await over.CancelAsync();
        }
        finally
        {
            underWay.Writer.TryComplete();
            closed &= await sending;
            await over.CancelAsync();
        }

        return closed;
    }

    /// <summary>Whether all was delivered.</summary>
    private async Task<bool> SendAsync(Socket to, ChannelReader<(ReadOnlyMemory<byte> Bytes, TimeSpan Due)> underWay, LinkConditions weather, bool up, CancellationTokenSource over)
    {
        try
        {
            await foreach (var (bytes, due) in underWay.ReadAllAsync(over.Token))
            {
                var early = due - BootTime();
                if (early > TimeSpan.Zero)
                {
                    await Task.Delay(early, TimeProvider.System, over.Token);
                }

                await weather.OpenAsync(up).WaitAsync(over.Token);
                var clear = weather.WhenClearAsync();
                if (weather.Loses(up))
                {
                    // What comes after a loss can't be delivered; both ends learn of it when the way is open again.
                    weather.CountLost();
                    await clear.WaitAsync(over.Token);
                    return false;
                }

                if (Prng(weather.Cut))
                {
                    weather.CountCut();
                    return false;
                }

                for (var rest = bytes; rest.Length > 0;)
                {
                    rest = rest[await to.SendAsync(rest, over.Token)..];
                }
            }

            return true;
        }
        catch (Exception e) when (IsEnd(e))
        {
            // The connection's end, whichever side's.
            return false;
        }
        finally
        {
            await over.CancelAsync();
        }
    }

    /// <summary>When what comes now is passed on. Later than everything before it, since a connection keeps order: who waits, waits in line.</summary>
    private TimeSpan Due(LinkConditions weather)
    {
        var now = BootTime();
        if (weather.Delay <= TimeSpan.Zero)
        {
            return now;
        }

        weather.CountDelayed();
        lock (_random)
        {
            return now + (weather.Delay * _random.NextDouble());
        }
    }

    private static TimeSpan BootTime() => TimeSpan.FromTicks(BootClock.Now / 100);

    private bool Prng(double probability)
    {
        lock (_random)
        {
            return probability > 0 && _random.NextDouble() < probability;
        }
    }

    private static bool IsEnd(Exception e) => e is SocketException or IOException or OperationCanceledException or ObjectDisposedException or ChannelClosedException;
}
