using System.Net;
using System.Net.Sockets;

namespace Plane.Chaos.Parts;

/// <summary>Listens for those who connect to a relay, and leads each connection by a task of its own; its end ends all of them, and waits for them.</summary>
internal sealed class Acceptor : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly Func<Socket, CancellationToken, Task> _lead;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;

    /// <param name="listen">Where it listens.</param>
    /// <param name="lead">Leads a connection to its end. The socket is its own to close; it does not throw when the token is cancelled.</param>
    public Acceptor(IPEndPoint listen, Func<Socket, CancellationToken, Task> lead)
    {
        _lead = lead;
        _listener = new TcpListener(listen);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var open = new List<Task>();
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync(_stop.Token);
                open.RemoveAll(t => t.IsCompleted);
                open.Add(_lead(client, _stop.Token));
            }
        }
        catch (Exception e) when (_stop.IsCancellationRequested && e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(open);
        }
    }
}
