using System.Net.Sockets;
using System.Text;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

/// <summary>Something on a unix socket that is no Docker engine: answers each connection with the bytes it was given, or with nothing at all.</summary>
public sealed class FakeEngine : IAsyncDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _cancel = new();
    private readonly List<Socket> _open = [];
    private readonly List<Task> _serving = [];
    private readonly Func<string, string?> _answer;
    private readonly Task _accepting;

    /// <summary>Answers the first line of a request with these bytes; hangs where null.</summary>
    public FakeEngine(Func<string, string?> answer)
    {
        _answer = answer;
        _listener.Bind(new UnixDomainSocketEndPoint(_directory["s"]));
        _listener.Listen();
        _accepting = AcceptAsync();
    }

    public string Host => $"unix://{_directory["s"]}";

    /// <summary>Answers to requests whose first line contains this continue until the client closes the connection.</summary>
    public string? Endless { get; init; }

    /// <summary>What they continue with, again and again.</summary>
    public string More { get; init; } = new(' ', 64 * 1024);

    /// <summary>After answers to requests whose first line contains this the connection stays open.</summary>
    public string? Open { get; init; }

    public static string Json(int status, string body) =>
        $"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\nConnection: close\r\n\r\n{body}";

    public async ValueTask DisposeAsync()
    {
        await _cancel.CancelAsync();
        _listener.Dispose();
        await _accepting;
        await Task.WhenAll(_serving);
        _open.ForEach(s => s.Dispose());
        _cancel.Dispose();
        _directory.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptAsync(_cancel.Token);
                _open.Add(client);
                _serving.Add(ServeAsync(client));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(Socket client)
    {
        try
        {
            var buffer = new byte[64 * 1024];
            var length = await client.ReceiveAsync(buffer, _cancel.Token);
            var line = Encoding.ASCII.GetString(buffer, 0, Math.Max(0, buffer.AsSpan(0, length).IndexOf((byte)'\r')));
            if (_answer(line) is not { } answer)
            {
                return;
            }

            await client.SendAsync(Encoding.UTF8.GetBytes(answer), _cancel.Token);
            var more = Encoding.UTF8.GetBytes(More);
            while (Endless is { } endless && line.Contains(endless, StringComparison.Ordinal))
            {
                await client.SendAsync(more, _cancel.Token);
            }

            if (Open is not { } open || !line.Contains(open, StringComparison.Ordinal))
            {
                client.Shutdown(SocketShutdown.Send);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The client has closed the connection, or the test is over.
        }
    }
}
