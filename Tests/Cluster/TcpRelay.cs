using System.Net;
using System.Net.Sockets;
using Plane.Chaos.Parts;

namespace Plane.Tests.Cluster;

/// <summary>Stands on an address of its own before a port of 127.0.0.1, and can lose everything: as a cable that is out, it breaks no connection and says nothing.</summary>
internal sealed class TcpRelay : IAsyncDisposable
{
    private readonly Acceptor _acceptor;
    private readonly Lock _lock = new();
    private TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TcpRelay(IPEndPoint listen, int port)
    {
        Port = port;
        _open.SetResult();
        _acceptor = new Acceptor(listen, RelayAsync);
    }

    /// <summary>Of the one behind it.</summary>
    public int Port { get; }

    public void Cut()
    {
        lock (_lock)
        {
            if (_open.Task.IsCompleted)
            {
                _open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }

    /// <summary>What was under way arrives now.</summary>
    public void Mend()
    {
        lock (_lock)
        {
            _open.TrySetResult();
        }
    }

    public ValueTask DisposeAsync() => _acceptor.DisposeAsync();

    private async Task RelayAsync(Socket client, CancellationToken stop)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stop);
        using var _ = client;
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        client.NoDelay = true;
        try
        {
            await OpenAsync(over.Token);
            await server.ConnectAsync(IPAddress.Loopback, Port, over.Token);
            Task[] pumps = [PumpAsync(client, server, over.Token), PumpAsync(server, client, over.Token)];
            await Task.WhenAny(pumps);
            await over.CancelAsync();
            await Task.WhenAll(pumps);
        }
        catch (Exception e) when (IsEnd(e))
        {
            // Nobody is there, or no more: the other end sees its connection end.
        }
    }

    private async Task PumpAsync(Socket from, Socket to, CancellationToken over)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer.AsMemory(), over) is > 0 and var count)
            {
                await OpenAsync(over);
                for (var sent = 0; sent < count;)
                {
                    sent += await to.SendAsync(buffer.AsMemory(sent, count - sent), over);
                }
            }
        }
        catch (Exception e) when (IsEnd(e))
        {
            // The connection's end, whichever side's.
        }
    }

    private Task OpenAsync(CancellationToken over)
    {
        lock (_lock)
        {
            return _open.Task.WaitAsync(over);
        }
    }

    private static bool IsEnd(Exception e) => e is SocketException or OperationCanceledException or ObjectDisposedException;
}
