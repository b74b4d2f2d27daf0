using System.Net.WebSockets;
using System.Text;
using System.Threading.Channels;

namespace Plane.Demo.Board;

/// <summary>
/// One browser. It reads, checks and hands on what the browser says, one message at a time, so that a browser that floods waits for the
/// room and not the room for it; and it writes from a bounded queue, so that a browser that doesn't read is cut and never waited for.
/// <see cref="Name"/>, <see cref="Color"/> and <see cref="Cursor"/> belong to the room's loop.
/// </summary>
internal sealed class Connection
{
    private static int s_lastId;

    private readonly WebSocket _socket;
    private readonly Room _room;
    private readonly BoardOptions _options;
    private readonly TimeProvider _time;
    private readonly Channel<byte[]> _outbox;
    private readonly byte[] _buffer;
    private Task<ValueWebSocketReceiveResult>? _receiving;
    private Closing? _closing;

    public Connection(WebSocket socket, string? verifiedName, Room room, BoardOptions options, TimeProvider time)
    {
        _socket = socket;
        _room = room;
        _options = options;
        _time = time;
        _buffer = new byte[options.MaxMessageBytes];
        Name = verifiedName ?? "Guest";
        IsVerified = verifiedName is not null;
        _outbox = Channel.CreateBounded<byte[]>(
            new BoundedChannelOptions(options.MaxQueuedMessages) { SingleReader = true, SingleWriter = true });
    }

    /// <summary>Unique on this board, never reused.</summary>
    public int Id { get; } = Interlocked.Increment(ref s_lastId);

    /// <summary>Whether the proxy vouches for the name; then it can't be changed.</summary>
    public bool IsVerified { get; }

    public string Name { get; set; }

    public int Color { get; set; }

    public (int X, int Y)? Cursor { get; set; }

    /// <summary>Queues a message; a reader whose queue is full is cut.</summary>
    public void Send(byte[] message)
    {
        if (!_outbox.Writer.TryWrite(message) && _closing is null)
        {
            Close(WebSocketCloseStatus.PolicyViolation, "too slow");
            // What is in its queue would keep it for as long as it likes.
            _socket.Abort();
        }
    }

    /// <summary>Ends the connection once what is queued has been sent.</summary>
    public void Close(WebSocketCloseStatus status, string reason)
    {
        Interlocked.CompareExchange(ref _closing, new Closing(status, reason), null);
        _outbox.Writer.TryComplete();
    }

    /// <summary>Serves the browser until it leaves, misbehaves or the program ends.</summary>
    public async Task RunAsync(CancellationToken ending)
    {
        var writing = WriteAsync();
        var joined = false;
        using var ended = ending.Register(() => Close(WebSocketCloseStatus.EndpointUnavailable, "the session is ending"));
        try
        {
            using (_time.CreateTimer(_ => Close(WebSocketCloseStatus.PolicyViolation, "no hello"), null, _options.HelloTimeout, Timeout.InfiniteTimeSpan))
            {
                if (await ReadAsync(writing) is not { } first)
                {
                    return;
                }

                if (first is not Said.Hello hello)
                {
                    throw new RefusedException("t: the first message is hello");
                }

                if (!IsVerified)
                {
                    Name = PersonName.Clean(hello.Name);
                }
            }

            joined = true;
            await _room.JoinAsync(this, ending);
            var rate = new RateLimit(_options.MessagesPerSecond, _options.MessageBurst, _time);
            while (await ReadAsync(writing) is { } said)
            {
                if (!rate.TryTake())
                {
                    throw new RefusedException("too many messages");
                }

                if (said is Said.Hello)
                {
                    throw new RefusedException("t: hello is said once");
                }

                await _room.SayAsync(this, said, ending);
            }
        }
        catch (RefusedException refused)
        {
            Close(WebSocketCloseStatus.PolicyViolation, refused.Message);
        }
        finally
        {
            if (joined)
            {
                await _room.LeaveAsync(this);
            }

            Close(WebSocketCloseStatus.NormalClosure, "");
            await writing;
            await DrainAsync();
        }
    }

    /// <summary>The next message; null once the browser closed, or was closed by us.</summary>
    private async Task<Said?> ReadAsync(Task writing)
    {
        var length = 0;
        while (true)
        {
            if (length == _buffer.Length)
            {
                Close(WebSocketCloseStatus.MessageTooBig, $"more than {_options.MaxMessageBytes} bytes");
                return null;
            }

            // Not cancelled when we close: that would abort the socket, and the reason of the close with it.
            _receiving = _socket.ReceiveAsync(_buffer.AsMemory(length), CancellationToken.None).AsTask();
            if (await Task.WhenAny(_receiving, writing) == writing && !_receiving.IsCompleted)
            {
                return null;
            }

            var received = await _receiving;
            if (received.MessageType == WebSocketMessageType.Close)
            {
                return null;
            }

            if (received.MessageType != WebSocketMessageType.Text)
            {
                Close(WebSocketCloseStatus.InvalidMessageType, "messages are text");
                return null;
            }

            length += received.Count;
            if (received.EndOfMessage)
            {
                return Said.Parse(_buffer.AsMemory(0, length));
            }
        }
    }

    /// <summary>Reads on for a moment after our close: a connection closed with unread bytes is reset, and the reason may be lost.</summary>
    private async Task DrainAsync()
    {
        using var limit = new CancellationTokenSource(_options.DrainTimeout, _time);
        try
        {
            while (_socket.State is WebSocketState.CloseSent)
            {
                _receiving = _receiving is { IsCompleted: false } ? _receiving : _socket.ReceiveAsync(_buffer.AsMemory(), limit.Token).AsTask();
                await _receiving.WaitAsync(limit.Token);
            }
        }
        catch (OperationCanceledException)
        {
            _socket.Abort();
        }

        // The abort fails a receive that was still under way; its owner is here.
        if (_receiving is { } last)
        {
            await last.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private async Task WriteAsync()
    {
        try
        {
            await foreach (var message in _outbox.Reader.ReadAllAsync())
            {
                using var limit = new CancellationTokenSource(_options.SendTimeout, _time);
                await _socket.SendAsync(message, WebSocketMessageType.Text, WebSocketMessageFlags.EndOfMessage, limit.Token);
            }

            var (status, reason) = _closing ?? new Closing(WebSocketCloseStatus.NormalClosure, "");
            if (_socket.State is WebSocketState.Open or WebSocketState.CloseReceived)
            {
                using var limit = new CancellationTokenSource(_options.SendTimeout, _time);
                await _socket.CloseOutputAsync(status, Short(reason), limit.Token);
            }
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Too slow, or gone: there is no client to notify.
            _outbox.Writer.TryComplete();
            _socket.Abort();
        }
    }

    /// <summary>A close's reason is at most 123 bytes.</summary>
    private static string Short(string reason) => Encoding.UTF8.GetByteCount(reason) <= 123 ? reason : reason[..40];

    private sealed record Closing(WebSocketCloseStatus Status, string Reason);
}
