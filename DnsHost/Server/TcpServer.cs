using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Plane.DnsHost.Server;

/// <summary>
/// One TCP listener (RFC 7766). A connection may send questions without waiting for answers; each is answered as soon
/// as its answer is known, so a question that waits for the controller delays none behind it. Bounded: connections,
/// connections of one network, questions of one connection in work, and the time for the next question to arrive or an
/// answer to be taken.
/// </summary>
internal sealed partial class TcpServer(
    Socket listener, DnsResponder responder, DnsOptions options, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    /// <summary>
    /// Questions of one connection that wait for the controller at a time; further ones are read when one of them is
    /// answered.
    /// </summary>
    private const int MaxInWork = 64;

    private readonly CancellationTokenSource _stopping = new();
    private readonly InFlight _connections = new(options.MaxConnections);
    private readonly Dictionary<ulong, int> _networks = [];
    private readonly Lock _lock = new();
    private Task _accepting = Task.CompletedTask;

    public void Start() => _accepting = AcceptAsync();

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _accepting;
        listener.Dispose();
        await _connections.EndAsync();
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var socket = await listener.AcceptAsync(_stopping.Token);
                var network = socket.RemoteEndPoint is IPEndPoint { Address: { } address } ? Network.Of(address) : 0;
                if (TryEnter(network))
                {
                    _ = Task.Run(() => ServeAsync(socket, network));
                }
                else
                {
                    socket.Dispose();
                }
            }
            catch (SocketException e)
            {
                // Out of descriptors, for one: they come back as connections end.
                LogNotAccepted(logger, e);
                await Task.Delay(TimeSpan.FromMilliseconds(50), time, _stopping.Token)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
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
            if (count >= options.MaxNetworkConnections || !_connections.TryEnter())
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
            if (--_networks[network] == 0)
            {
                _networks.Remove(network);
            }
        }

        _connections.Leave();
    }

    private async Task ServeAsync(Socket socket, ulong network)
    {
        using (var connection = new Connection(socket))
        {
            try
            {
                socket.NoDelay = true;
                await ReadAsync(connection);
            }
            catch (Exception e)
            {
                LogEnd(e);
            }

            // The questions that wait for the controller use the connection. Their wait is bounded by its time-out.
            await connection.WhenAnsweredAsync();
        }

        Leave(network);
    }

    private async Task ReadAsync(Connection connection)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(ushort.MaxValue);
        try
        {
            while (true)
            {
                using var idle = new CancellationTokenSource(options.TcpIdle, time);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(idle.Token, _stopping.Token);
                var head = buffer.AsMemory(0, 2);
                if (await connection.Stream.ReadAtLeastAsync(head, 2, throwOnEndOfStream: false, either.Token) < 2)
                {
                    return;
                }

                var message = buffer.AsMemory(0, BinaryPrimitives.ReadUInt16BigEndian(buffer));
                await connection.Stream.ReadExactlyAsync(message, either.Token);
                if (!await AnswerAsync(connection, message, either.Token))
                {
                    return;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>
    /// Answers a message, or leaves it to <see cref="AnswerLaterAsync"/>. False where it is not a question: its sender
    /// gets no more time.
    /// </summary>
    private async Task<bool> AnswerAsync(
        Connection connection, ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        Task<TxtAnswer?>? pending;
        await connection.Turn.WaitAsync(cancellationToken);
        try
        {
            var length = responder.Respond(message.Span, connection.Answer, isUdp: false, out pending);
            await connection.SendAsync(length, cancellationToken);
            if (pending is null)
            {
                return length > 0;
            }
        }
        finally
        {
            connection.Turn.Release();
        }

        await connection.InWork.WaitAsync(cancellationToken);
        _ = AnswerLaterAsync(connection, message.ToArray(), pending);
        return true;
    }

    private async Task AnswerLaterAsync(Connection connection, byte[] message, Task<TxtAnswer?> pending)
    {
        try
        {
            var values = await pending;
            using var stall = new CancellationTokenSource(options.TcpIdle, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(stall.Token, _stopping.Token);
            await connection.Turn.WaitAsync(either.Token);
            try
            {
                var length = responder.Complete(message, connection.Answer, isUdp: false, values);
                await connection.SendAsync(length, either.Token);
            }
            finally
            {
                connection.Turn.Release();
            }
        }
        catch (Exception e)
        {
            LogEnd(e);
        }
        finally
        {
            connection.InWork.Release();
        }
    }

    private void LogEnd(Exception e)
    {
        if (e is IOException or OperationCanceledException or SocketException or ObjectDisposedException)
        {
            LogEnded(logger, e);
        }
        else
        {
            LogFailed(logger, e);
        }
    }

    /// <summary>
    /// A connection, with room for one answer: an answer is composed when its turn comes, so those that wait hold their
    /// question alone.
    /// </summary>
    private sealed class Connection(Socket socket) : IDisposable
    {
        private readonly byte[] _framed = ArrayPool<byte>.Shared.Rent(2 + ushort.MaxValue);

        public NetworkStream Stream { get; } = new(socket, ownsSocket: true);

        /// <summary>Whose turn it is to use <see cref="Answer"/> and to send.</summary>
        public SemaphoreSlim Turn { get; } = new(1);

        public SemaphoreSlim InWork { get; } = new(MaxInWork);

        public Span<byte> Answer => _framed.AsSpan(2, ushort.MaxValue);

        /// <summary>Sends the answer, if there is one, and its length in one write (RFC 7766 section 8).</summary>
        public ValueTask SendAsync(int length, CancellationToken cancellationToken)
        {
            BinaryPrimitives.WriteUInt16BigEndian(_framed, (ushort)length);
            return length == 0 ? default : Stream.WriteAsync(_framed.AsMemory(0, 2 + length), cancellationToken);
        }

        public async Task WhenAnsweredAsync()
        {
            for (var i = 0; i < MaxInWork; i++)
            {
                await InWork.WaitAsync(CancellationToken.None);
            }
        }

        public void Dispose()
        {
            Stream.Dispose();
            Turn.Dispose();
            InWork.Dispose();
            ArrayPool<byte>.Shared.Return(_framed);
        }
    }

    [LoggerMessage(EventId = EventIds.TcpServerNotAccepted, Level = LogLevel.Debug, Message = "A connection was not accepted")]
    private static partial void LogNotAccepted(ILogger logger, Exception exception);

    [LoggerMessage(EventId = EventIds.TcpServerEnded, Level = LogLevel.Debug, Message = "A connection ended")]
    private static partial void LogEnded(ILogger logger, Exception exception);

    [LoggerMessage(EventId = EventIds.TcpServerFailed, Level = LogLevel.Error, Message = "A question over TCP could not be answered")]
    private static partial void LogFailed(ILogger logger, Exception exception);
}
