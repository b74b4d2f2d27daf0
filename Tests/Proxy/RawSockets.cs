using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Plane.Tests.Proxy;

/// <summary>One end of a connection, byte by byte: what no HTTP library would send or show.</summary>
internal sealed class RawConnection(Socket socket) : IDisposable
{
    private readonly List<byte> _read = [];
    private readonly byte[] _buffer = new byte[65536];

    public Socket Socket { get; } = socket;

    public Task WriteAsync(string text) => WriteAsync(Encoding.Latin1.GetBytes(text));

    public async Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await Socket.SendAsync(bytes)..];
        }
    }

    /// <summary>Reads up to and including the text; null if the peer closes before.</summary>
    public async Task<string?> ReadUntilAsync(string end)
    {
        var mark = Encoding.Latin1.GetBytes(end);
        while (true)
        {
            var at = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_read).IndexOf(mark);
            if (at >= 0)
            {
                return Take(at + mark.Length);
            }

            if (!await FillAsync())
            {
                return null;
            }
        }
    }

    public async Task<string> ReadExactlyAsync(int count)
    {
        while (_read.Count < count)
        {
            if (!await FillAsync())
            {
                throw new EndOfStreamException($"{_read.Count} of {count} bytes came");
            }
        }

        return Take(count);
    }

    /// <summary>Reads until the peer closes or resets the connection.</summary>
    public async Task<string> ReadToEndAsync()
    {
        while (await FillAsync())
        {
        }

        return Take(_read.Count);
    }

    /// <summary>Reads one message: its head, and its body by Content-Length or chunks.</summary>
    public async Task<string?> ReadMessageAsync()
    {
        if (await ReadUntilAsync("\r\n\r\n") is not { } head)
        {
            return null;
        }

        var headers = head.Split("\r\n");
        var length = headers.FirstOrDefault(h => h.StartsWith("content-length:", StringComparison.OrdinalIgnoreCase));
        if (length is not null)
        {
            return head + await ReadExactlyAsync(int.Parse(length.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture));
        }

        return headers.Any(h => h.StartsWith("transfer-encoding:", StringComparison.OrdinalIgnoreCase)) ? head + await ReadUntilAsync("0\r\n\r\n") : head;
    }

    /// <summary>Ends the connection by a reset.</summary>
    public void Reset()
    {
        Socket.LingerState = new LingerOption(true, 0);
        Socket.Dispose();
    }

    public void Dispose() => Socket.Dispose();

    private async Task<bool> FillAsync()
    {
        int count;
        try
        {
            count = await Socket.ReceiveAsync(_buffer);
        }
        catch (SocketException)
        {
            count = 0;
        }

        _read.AddRange(_buffer.AsSpan(0, count));
        return count > 0;
    }

    private string Take(int count)
    {
        var text = Encoding.Latin1.GetString(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_read)[..count]);
        _read.RemoveRange(0, count);
        return text;
    }
}

/// <summary>A client that writes requests as bytes.</summary>
internal sealed class RawClient : IDisposable
{
    private RawClient(Socket socket) => Connection = new RawConnection(socket);

    public RawConnection Connection { get; }

    public static async Task<RawClient> ConnectAsync(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, port);
        return new RawClient(socket);
    }

    /// <summary>Sends text and reads all that comes until the proxy closes.</summary>
    public async Task<string> TalkAsync(string text)
    {
        await Connection.WriteAsync(text);
        return await Connection.ReadToEndAsync().WaitAsync(Testing.Eventually.DefaultDeadline);
    }

    public void Dispose() => Connection.Dispose();
}

/// <summary>A backend that shows each request as it came and answers as it is told.</summary>
internal sealed class RawBackend : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly ConcurrentBag<RawConnection> _connections = [];
    private readonly Task _accepting;

    public RawBackend(Func<RawConnection, RawBackend, Task> serve)
    {
        _listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        Address = _listener.LocalEndPoint!.ToString()!;
        _accepting = AcceptAsync(serve);
    }

    public string Address { get; }

    /// <summary>Whole requests, head and body as bytes.</summary>
    public ConcurrentQueue<string> Requests { get; } = new();

    public int Connections => _connections.Count;

    /// <summary>Answers every request with the same bytes.</summary>
    public static RawBackend Answering(string response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") => new(async (connection, backend) =>
    {
        while (await connection.ReadMessageAsync() is { } request)
        {
            backend.Requests.Enqueue(request);
            await connection.WriteAsync(response);
        }
    });

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        foreach (var connection in _connections)
        {
            connection.Dispose();
        }

        await _accepting;
    }

    private async Task AcceptAsync(Func<RawConnection, RawBackend, Task> serve)
    {
        var serving = new List<Task>();
        try
        {
            while (true)
            {
                var connection = new RawConnection(await _listener.AcceptAsync());
                _connections.Add(connection);
                serving.Add(ServeAsync(serve, connection));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(serving);
        }
    }

    private async Task ServeAsync(Func<RawConnection, RawBackend, Task> serve, RawConnection connection)
    {
        try
        {
            await serve(connection, this);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or EndOfStreamException)
        {
            // The proxy left, or the test is over.
        }
        finally
        {
            connection.Dispose();
        }
    }
}
