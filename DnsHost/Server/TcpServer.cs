using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Plane.Dns.Server;

/// <summary>
/// One TCP listener (RFC 7766). A connection may send questions without waiting for answers; each is answered as soon as its answer is known, so one that waits
/// for the controller holds up none behind it. Bounded: connections, connections of one network, questions of one connection in work, and the time for the next
/// question to arrive or an answer to be taken.
/// </summary>
internal sealed partial class TcpServer : IAsyncDisposable
{
    /// <summary>Questions of one connection in work at a time; further ones are read when one of them is answered.</summary>
    private const int MaxInWork = 64;

    private readonly Socket _listener;
    private readonly DnsResponder _responder;
    private readonly DnsOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<Task, bool> _connections = new();
    private readonly Dictionary<ulong, int> _networks = [];
    private readonly Lock _lock = new();
    private Task _accepting = Task.CompletedTask;

    public TcpServer(Socket listener, DnsResponder responder, DnsOptions options, TimeProvider time, ILogger logger)
    {
        _listener = listener;
        _responder = responder;
        _options = options;
        _time = time;
        _logger = logger;
    }

    public void Start() => _accepting = AcceptAsync();

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _accepting.ConfigureAwait(false);
        _listener.Dispose();
        await Task.WhenAll(_connections.Keys).ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        var open = 0;
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var connection = await _listener.AcceptAsync(_stopping.Token).ConfigureAwait(false);
                var network = connection.RemoteEndPoint is IPEndPoint { Address: { } address } ? Network.Of(address) : 0;
                if (Volatile.Read(ref open) >= _options.MaxConnections || !TryEnter(network))
                {
                    connection.Dispose();
                    continue;
                }

                Interlocked.Increment(ref open);
                var serving = Task.Run(async () =>
                {
                    await ServeAsync(connection).ConfigureAwait(false);
                    Leave(network);
                    Interlocked.Decrement(ref open);
                });
                _connections[serving] = true;
                _ = serving.ContinueWith(
                    t => _connections.TryRemove(t, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            }
            catch (SocketException e)
            {
                // Out of descriptors, for one: they come back as connections end.
                LogNotAccepted(_logger, e);
                await Task.Delay(TimeSpan.FromMilliseconds(50), _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }
    }

    private bool TryEnter(ulong network)
    {
        lock (_lock)
        {
            var count = _networks.GetValueOrDefault(network);
            if (count >= _options.MaxNetworkConnections)
            {
                return false;
            }

            _networks[network] = count + 1;
            return true;
        }
    }

    private void Leave(ulong network)
    {
        lock (_lock)
        {
            if (_networks[network] == 1)
            {
                _networks.Remove(network);
            }
            else
            {
                _networks[network]--;
            }
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using var connection = new Connection(socket, MaxInWork);
        try
        {
            socket.NoDelay = true;
            await ReadAsync(connection).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or SocketException)
        {
            LogEnded(_logger, e);
        }
        catch (Exception e)
        {
            LogFailed(_logger, e);
        }

        // Also those that wait for the controller: they use the connection. Their wait is bounded by its time-out.
        await connection.WhenAnsweredAsync().ConfigureAwait(false);
    }

    private async Task ReadAsync(Connection connection)
    {
        var head = new byte[2];
        var buffer = ArrayPool<byte>.Shared.Rent(ushort.MaxValue);
        var answer = ArrayPool<byte>.Shared.Rent(2 + ushort.MaxValue);
        try
        {
            while (true)
            {
                using var idle = new CancellationTokenSource(_options.TcpIdle, _time);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(idle.Token, _stopping.Token);
                if (await connection.Stream.ReadAtLeastAsync(head, 2, throwOnEndOfStream: false, either.Token).ConfigureAwait(false) < 2)
                {
                    return;
                }

                var message = buffer.AsMemory(0, BinaryPrimitives.ReadUInt16BigEndian(head));
                await connection.Stream.ReadExactlyAsync(message, either.Token).ConfigureAwait(false);
                var length = _responder.Respond(message.Span, answer.AsSpan(2, ushort.MaxValue), isUdp: false, out var pending);
                if (pending is not null)
                {
                    await connection.EnterAsync(either.Token).ConfigureAwait(false);
                    _ = AnswerLaterAsync(connection, message.ToArray(), pending);
                }
                else if (length > 0)
                {
                    await SendAsync(connection, answer, length, either.Token).ConfigureAwait(false);
                }
                else
                {
                    // No question: whoever sends that gets no more of the server's time.
                    return;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            ArrayPool<byte>.Shared.Return(answer);
        }
    }

    private async Task AnswerLaterAsync(Connection connection, byte[] message, Task<TxtAnswer?> pending)
    {
        byte[]? answer = null;
        try
        {
            // Rented when there is something to say: what waits for the controller holds its question alone.
            var values = await pending.ConfigureAwait(false);
            answer = ArrayPool<byte>.Shared.Rent(2 + ushort.MaxValue);
            var length = _responder.Complete(message, answer.AsSpan(2, ushort.MaxValue), isUdp: false, values);
            using var stall = new CancellationTokenSource(_options.TcpIdle, _time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(stall.Token, _stopping.Token);
            await SendAsync(connection, answer, length, either.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or SocketException or ObjectDisposedException)
        {
            LogEnded(_logger, e);
        }
        catch (Exception e)
        {
            LogFailed(_logger, e);
        }
        finally
        {
            if (answer is not null)
            {
                ArrayPool<byte>.Shared.Return(answer);
            }

            connection.Leave();
        }
    }

    private static async Task SendAsync(Connection connection, byte[] answer, int length, CancellationToken cancellationToken)
    {
        BinaryPrimitives.WriteUInt16BigEndian(answer, (ushort)length);

        // Length and answer in one write (RFC 7766 section 8), answers one after the other.
        await connection.Sending.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await connection.Stream.WriteAsync(answer.AsMemory(0, 2 + length), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            connection.Sending.Release();
        }
    }

    private sealed class Connection(Socket socket, int maxInWork) : IDisposable
    {
        private readonly SemaphoreSlim _inWork = new(maxInWork);

        public NetworkStream Stream { get; } = new(socket, ownsSocket: true);

        public SemaphoreSlim Sending { get; } = new(1);

        public Task EnterAsync(CancellationToken cancellationToken) => _inWork.WaitAsync(cancellationToken);

        public void Leave() => _inWork.Release();

        public async Task WhenAnsweredAsync()
        {
            for (var i = 0; i < maxInWork; i++)
            {
                await _inWork.WaitAsync(CancellationToken.None).ConfigureAwait(false);
            }
        }

        public void Dispose()
        {
            Stream.Dispose();
            Sending.Dispose();
            _inWork.Dispose();
        }
    }

    [LoggerMessage(EventId = EventIds.TcpServerNotAccepted, Level = LogLevel.Debug, Message = "A connection was not accepted")]
    private static partial void LogNotAccepted(ILogger logger, Exception exception);

    [LoggerMessage(EventId = EventIds.TcpServerEnded, Level = LogLevel.Debug, Message = "A connection ended")]
    private static partial void LogEnded(ILogger logger, Exception exception);

    [LoggerMessage(EventId = EventIds.TcpServerFailed, Level = LogLevel.Error, Message = "A question over TCP could not be answered")]
    private static partial void LogFailed(ILogger logger, Exception exception);
}
