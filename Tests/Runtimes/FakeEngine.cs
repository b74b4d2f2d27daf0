using System.Net.Sockets;
using System.Text;
using Plane.Tests.Support;

namespace Plane.Tests.Runtimes;

/// <summary>Something on a unix socket that is no Docker engine: answers each connection with the bytes it was given, or with nothing at all.</summary>
public sealed class FakeEngine : IAsyncDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _cancel = new();
    private readonly List<Socket> _open = [];
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

    public static string Json(int status, string body) =>
        $"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\nConnection: close\r\n\r\n{body}";

    public async ValueTask DisposeAsync()
    {
        await _cancel.CancelAsync();
        _listener.Dispose();
        await _accepting;
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
                var buffer = new byte[64 * 1024];
                var length = await client.ReceiveAsync(buffer, _cancel.Token);
                var line = Encoding.ASCII.GetString(buffer, 0, Math.Max(0, buffer.AsSpan(0, length).IndexOf((byte)'\r')));
                if (_answer(line) is { } answer)
                {
                    await client.SendAsync(Encoding.UTF8.GetBytes(answer), _cancel.Token);
                    client.Shutdown(SocketShutdown.Send);
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }
}
