using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

/// <summary>
/// Stands between a runtime and the real engine, on a socket of its own, and does what a bad day does: holds requests back and lets them through when their sender has
/// long given up, swallows answers, cuts every connection.
/// </summary>
public sealed class EngineProxy : IAsyncDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _cancel = new();
    private readonly ConcurrentDictionary<Socket, byte> _clients = new();
    private readonly ConcurrentBag<Task> _connections = [];
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly string _engine;
    private readonly Task _accepting;
    private int _held;
    private int _passed;

    private EngineProxy(string engine)
    {
        _engine = engine;
        _listener.Bind(new UnixDomainSocketEndPoint(_directory["s"]));
        _listener.Listen();
        _accepting = AcceptAsync();
    }

    public string Host => $"unix://{_directory["s"]}";

    /// <summary>Requests whose first line contains this wait for <see cref="ReleaseAsync"/>.</summary>
    public string? Hold { get; set; }

    /// <summary>The answers to requests whose first line contains this never arrive.</summary>
    public string? Swallow { get; set; }

    /// <summary>Requests whose first line contains this are carried out, and answered that they failed.</summary>
    public string? Fail { get; set; }

    /// <summary>Requests whose first line contains this are carried out, and their connection is closed instead of an answer.</summary>
    public string? Lose { get; set; }

    /// <summary>New connections are closed at once.</summary>
    public bool Refuse { get; set; }

    public ConcurrentQueue<string> Requests { get; } = new();

    public int Held => Volatile.Read(ref _held);

    public static async Task<EngineProxy> StartAsync() => new((await DockerEngine.SharedAsync()).Socket);

    /// <summary>Closes what is open, as an engine that goes away does.</summary>
    public void Cut()
    {
        foreach (var client in _clients.Keys)
        {
            client.Dispose();
        }
    }

    /// <summary>Lets the held requests through and waits until the engine has answered them.</summary>
    public async Task ReleaseAsync()
    {
        Hold = null;
        _released.TrySetResult();
        await Eventually.TrueAsync(() => Volatile.Read(ref _passed) == Held, "the engine has answered what was held");
    }

    public async ValueTask DisposeAsync()
    {
        await _cancel.CancelAsync();
        _released.TrySetResult();
        _listener.Dispose();
        Cut();
        await _accepting;
        await Task.WhenAll(_connections);
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
                _connections.Add(ServeAsync(client));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using var engine = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _clients[client] = 0;
        var held = false;
        try
        {
            if (Refuse)
            {
                return;
            }

            var buffer = new byte[256 * 1024];
            var length = await client.ReceiveAsync(buffer, _cancel.Token);
            var line = Encoding.ASCII.GetString(buffer, 0, Math.Max(0, buffer.AsSpan(0, length).IndexOf((byte)'\r')));
            Requests.Enqueue(line);
            if (Hold is { } hold && line.Contains(hold, StringComparison.Ordinal))
            {
                held = true;
                Interlocked.Increment(ref _held);
                await _released.Task;
            }

            await engine.ConnectAsync(new UnixDomainSocketEndPoint(_engine), _cancel.Token);
            await engine.SendAsync(buffer.AsMemory(0, length), _cancel.Token);
            var swallow = Swallow is { } s && line.Contains(s, StringComparison.Ordinal);
            if (held)
            {
                // Its sender has left; what the engine makes of it is what matters.
                await engine.ReceiveAsync(buffer, _cancel.Token);
                return;
            }

            if (Fail is { } fail && line.Contains(fail, StringComparison.Ordinal))
            {
                await engine.ReceiveAsync(buffer, _cancel.Token);
                await client.SendAsync(Encoding.ASCII.GetBytes(FakeEngine.Json(500, """{"message":"containerd is gone: for the test"}""")), _cancel.Token);
                return;
            }

            if (Lose is { } lose && line.Contains(lose, StringComparison.Ordinal))
            {
                await engine.ReceiveAsync(buffer, _cancel.Token);
                return;
            }

            await Task.WhenAny(PumpAsync(client, engine, true), PumpAsync(engine, client, !swallow));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // One side has left.
        }
        finally
        {
            if (held)
            {
                Interlocked.Increment(ref _passed);
            }

            _clients.TryRemove(client, out _);
            client.Dispose();
        }
    }

    private async Task PumpAsync(Socket from, Socket to, bool deliver)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, _cancel.Token) is > 0 and var read)
            {
                if (deliver)
                {
                    await to.SendAsync(buffer.AsMemory(0, read), _cancel.Token);
                }
            }

            if (!deliver)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, _cancel.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // One side has left.
        }
    }
}
