using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Plane.Bench.Peers;

/// <summary>A backend that is unusual in one way, byte by byte: how it answers is the path's first segment.</summary>
internal sealed class EdgeBackend : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly CancellationTokenSource _over = new();
    private readonly Task _accepting;

    public EdgeBackend()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(512);
        _accepting = AcceptAsync();
    }

    public string Address => _listener.LocalEndPoint!.ToString()!;

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _over.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_over.IsCancellationRequested)
        {
            try
            {
                var socket = await _listener.AcceptAsync(_over.Token);
                _ = ServeAsync(socket);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using var connection = new Connection(socket);
        try
        {
            while (await connection.ReadHeadAsync(_over.Token) is { } head)
            {
                // The path as a proxy passes it on, whatever is before it: /MODE, /TOKEN/MODE.
                var mode = head.Split(' ')[1].TrimEnd('/').Split('/')[^1];
                if (!await AnswerAsync(connection, mode, LengthIn(head)))
                {
                    return;
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
        {
            // The peer has left, or the bench is over.
        }
    }

    /// <summary>Answers; false where the connection is to end.</summary>
    private async Task<bool> AnswerAsync(Connection connection, string mode, long length)
    {
        switch (mode)
        {
            // Refuses an upload and ends the connection with bytes unread, which resets it: body limits of ASP.NET Core, Express with Connection: close.
            case "early-close":
                await connection.SendAsync("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large");
                return false;

            // Refuses an upload, keeps the connection and reads nothing more.
            case "early-keep":
                await connection.SendAsync("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
                await Task.Delay(s_patience, _over.Token);
                return false;

            // Refuses an upload and throws the rest of it away, as nginx does.
            case "early-read":
                await connection.SendAsync("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
                await connection.SkipAsync(length, _over.Token);
                return true;

            // Ends each connection after its answer without having said so.
            case "silent-close":
                await connection.SkipAsync(length, _over.Token);
                await connection.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                return false;

            case "said-close":
                await connection.SkipAsync(length, _over.Token);
                await connection.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
                return false;

            // A length that is where the connection ends (HTTP/1.0).
            case "until-close":
                await connection.SendAsync("HTTP/1.0 200 OK\r\n\r\nok");
                return false;

            case "hints":
                await connection.SendAsync("HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                return true;

            default:
                await connection.SkipAsync(length, _over.Token);
                await connection.SendAsync("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                return true;
        }
    }

    private static long LengthIn(string head)
    {
        const string Name = "content-length:";
        var line = head.Split("\r\n").FirstOrDefault(l => l.StartsWith(Name, StringComparison.OrdinalIgnoreCase));
        return line is null ? 0 : long.Parse(line[Name.Length..], System.Globalization.CultureInfo.InvariantCulture);
    }

    private sealed class Connection(Socket socket) : IDisposable
    {
        private readonly byte[] _buffer = new byte[64 * 1024];
        private int _from;
        private int _to;

        public async Task<string?> ReadHeadAsync(CancellationToken over)
        {
            var head = new List<byte>();
            while (true)
            {
                if (_from == _to)
                {
                    (_from, _to) = (0, await socket.ReceiveAsync(_buffer, over));
                    if (_to == 0)
                    {
                        return null;
                    }
                }

                head.Add(_buffer[_from++]);
                if (head.Count >= 4 && head[^1] == '\n' && head[^3] == '\n')
                {
                    return Encoding.Latin1.GetString([.. head]);
                }
            }
        }

        public async Task SkipAsync(long count, CancellationToken over)
        {
            while (count > 0)
            {
                if (_from == _to)
                {
                    (_from, _to) = (0, await socket.ReceiveAsync(_buffer, over));
                    if (_to == 0)
                    {
                        throw new IOException("the peer left");
                    }
                }

                var step = (int)Math.Min(count, _to - _from);
                _from += step;
                count -= step;
            }
        }

        public async Task SendAsync(string text)
        {
            for (var rest = (ReadOnlyMemory<byte>)Encoding.Latin1.GetBytes(text); !rest.IsEmpty;)
            {
                rest = rest[await socket.SendAsync(rest)..];
            }
        }

        public void Dispose() => socket.Dispose();
    }
}
