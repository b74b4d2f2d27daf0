using System.Buffers;
using System.Net.WebSockets;
using System.Text;
using System.Threading.Channels;
using Orleans.Configuration;

namespace Orleans.Gateway;

/// <summary>Takes one frame; the bytes are only valid during the call.</summary>
internal delegate void FrameHandler(ReadOnlySpan<byte> frame);

/// <summary>
/// One end of a connection after its handshake: a reader, a writer with a bounded queue, and a heartbeat. Both ends send a ping every so often whatever else
/// they send, and both call the other dead that sent nothing, or took nothing, for too long; so no pong is needed.
/// <para>Concurrency: any thread sends; one loop each reads, writes and watches; the first reason to end wins, the others are dropped.</para>
/// </summary>
internal sealed class WireConnection : IAsyncDisposable
{
    /// <summary>How long a peer may take to read the reason for which it is cut.</summary>
    private static readonly TimeSpan CloseGrace = TimeSpan.FromSeconds(1);

    /// <summary>The heartbeat looks this many times per ping, so that a dead peer is noticed within the promised time, not a ping later.</summary>
    private const int LooksPerPing = 5;

    private readonly WebSocket _socket;
    private readonly EmbeddedEngineOptions _options;
    private readonly TimeProvider _time;
    private readonly Channel<FrameBuffer> _outgoing;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource<WireException> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _queuedBytes;
    private long _lastReceived;
    private long _sendingSince;

    public WireConnection(WebSocket socket, EmbeddedEngineOptions options, TimeProvider time)
    {
        _socket = socket;
        _options = options;
        _time = time;
        _lastReceived = time.GetTimestamp();
        _outgoing = Channel.CreateBounded<FrameBuffer>(new BoundedChannelOptions(options.MaxQueuedFrames) { SingleReader = true });
    }

    public bool HasEnded => _end.Task.IsCompleted;

    /// <summary>Queues a frame, which this connection now owns; waits while the queue is full. A frame for a connection that has ended is dropped: its end fails the call.</summary>
    public ValueTask SendAsync(FrameBuffer frame)
    {
        if (Interlocked.Add(ref _queuedBytes, frame.Length) > _options.MaxQueuedBytes)
        {
            End(new WireException("the peer does not read", WebSocketCloseStatus.PolicyViolation, "slow"));
        }

        return _outgoing.Writer.TryWrite(frame) ? ValueTask.CompletedTask : WaitAndSendAsync(frame);
    }

    /// <summary>Ends the connection with a reason for the peer.</summary>
    public void End(WireException reason) => _end.TrySetResult(reason);

    /// <summary>Serves the connection until it ends, closes it, and returns why.</summary>
    public async Task<WireException> RunAsync(FrameHandler handler)
    {
        var receiving = ReceiveAsync(handler);
        var sending = SendLoopAsync();
        var watching = WatchAsync();
        var reason = await _end.Task;
        _outgoing.Writer.TryComplete();
        await CloseAsync(reason, sending, receiving);
        await _stop.CancelAsync();
        if (_socket.State != WebSocketState.Closed)
        {
            _socket.Abort();
        }

        await Task.WhenAll(receiving, sending, watching);
        while (_outgoing.Reader.TryRead(out var frame))
        {
            frame.Dispose();
        }

        return reason;
    }

    public async ValueTask DisposeAsync()
    {
        End(new WireException("disposed", WebSocketCloseStatus.NormalClosure, "closed"));
        await _stop.CancelAsync();
        _socket.Dispose();
        _stop.Dispose();
    }

    private async ValueTask WaitAndSendAsync(FrameBuffer frame)
    {
        try
        {
            await _outgoing.Writer.WriteAsync(frame);
        }
        catch (ChannelClosedException)
        {
            frame.Dispose();
        }
    }

    private async Task ReceiveAsync(FrameHandler handler)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(16 << 10);
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                var length = 0;
                ValueWebSocketReceiveResult result;
                do
                {
                    if (length == buffer.Length)
                    {
                        buffer = Grow(buffer, length);
                    }

                    result = await _socket.ReceiveAsync(buffer.AsMemory(length), _stop.Token);
                    Volatile.Write(ref _lastReceived, _time.GetTimestamp());
                    length += result.Count;
                    if (length > Wire.MaxFrame)
                    {
                        throw new WireException($"the message is larger than {Wire.MaxFrame >> 20} MiB", WebSocketCloseStatus.MessageTooBig, "oversized");
                    }

                    if (result.MessageType != WebSocketMessageType.Text)
                    {
                        throw result.MessageType == WebSocketMessageType.Close
                            ? new WireException(_socket.CloseStatusDescription is { Length: > 0 } why ? why : "the peer closed", WebSocketCloseStatus.NormalClosure, "closed")
                            : new WireException("malformed frame: not a text", WebSocketCloseStatus.InvalidMessageType);
                    }
                }
                while (!result.EndOfMessage);

                Handle(buffer.AsSpan(0, length), handler);
                if (buffer.Length > Wire.MaxFrame / 16)
                {
                    // A single large message must not hold its memory for the connection's life.
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = ArrayPool<byte>.Shared.Rent(16 << 10);
                }
            }
        }
        catch (WireException e)
        {
            End(e);
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or ObjectDisposedException or IOException or InvalidOperationException)
        {
            End(new WireException("the connection broke: " + e.Message, WebSocketCloseStatus.EndpointUnavailable, "broken"));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static void Handle(ReadOnlySpan<byte> message, FrameHandler handler)
    {
        while (!message.IsEmpty)
        {
            var end = message.IndexOf(Wire.Separator);
            handler(end < 0 ? message : message[..end]);
            message = end < 0 ? [] : message[(end + 1)..];
        }
    }

    private static byte[] Grow(byte[] buffer, int length)
    {
        var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
        buffer.AsSpan(0, length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer);
        return larger;
    }

    private async Task SendLoopAsync()
    {
        var batch = new byte[Wire.Batch];
        try
        {
            while (await _outgoing.Reader.WaitToReadAsync(_stop.Token))
            {
                var length = 0;
                while (_outgoing.Reader.TryPeek(out var frame))
                {
                    var fits = length + frame.Length + 1 <= batch.Length;
                    if (!fits && length > 0)
                    {
                        break;
                    }

                    _outgoing.Reader.TryRead(out _);
                    Interlocked.Add(ref _queuedBytes, -frame.Length);
                    using (frame)
                    {
                        if (!fits)
                        {
                            await SendMessageAsync(frame.Memory);
                            continue;
                        }

                        if (length > 0)
                        {
                            batch[length++] = Wire.Separator;
                        }

                        frame.Written.CopyTo(batch.AsSpan(length));
                        length += frame.Length;
                    }
                }

                if (length > 0)
                {
                    await SendMessageAsync(batch.AsMemory(0, length));
                }
            }
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or ObjectDisposedException or IOException or InvalidOperationException)
        {
            End(new WireException("the connection broke: " + e.Message, WebSocketCloseStatus.EndpointUnavailable, "broken"));
        }
    }

    private async ValueTask SendMessageAsync(ReadOnlyMemory<byte> message)
    {
        Volatile.Write(ref _sendingSince, _time.GetTimestamp());
        await _socket.SendAsync(message, WebSocketMessageType.Text, endOfMessage: true, _stop.Token);
        Volatile.Write(ref _sendingSince, 0);
    }

    private async Task WatchAsync()
    {
        var look = _options.PingInterval / LooksPerPing;
        using var timer = new PeriodicTimer(look, _time);
        try
        {
            for (var looks = 1; await timer.WaitForNextTickAsync(_stop.Token); looks++)
            {
                var sendingSince = Volatile.Read(ref _sendingSince);
                if (sendingSince != 0 && _time.GetElapsedTime(sendingSince) + look >= _options.DeadAfter)
                {
                    End(new WireException("the peer does not read", WebSocketCloseStatus.PolicyViolation, "slow"));
                }
                else if (_time.GetElapsedTime(Volatile.Read(ref _lastReceived)) + look >= _options.DeadAfter)
                {
                    End(new WireException($"nothing heard for {_options.DeadAfter.TotalSeconds:0.#} s", WebSocketCloseStatus.EndpointUnavailable, "dead"));
                }
                else if (looks % LooksPerPing == 0)
                {
                    var ping = new FrameBuffer();
                    ping.Write(Wire.Ping.Span);
                    Interlocked.Add(ref _queuedBytes, ping.Length);
                    if (!_outgoing.Writer.TryWrite(ping))
                    {
                        // A full queue says that we live as well as a ping would.
                        Interlocked.Add(ref _queuedBytes, -ping.Length);
                        ping.Dispose();
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            // RunAsync stops all three loops so.
            return;
        }
    }

    /// <summary>Sends what is queued and the reason, as long as the peer takes it; a peer that doesn't is cut.</summary>
    private async Task CloseAsync(WireException reason, Task sending, Task receiving)
    {
        if (_socket.State is not (WebSocketState.Open or WebSocketState.CloseReceived) || reason.Kind is "slow" or "dead" or "broken")
        {
            return;
        }

        try
        {
            using var patience = new CancellationTokenSource(CloseGrace, _time);
            await sending.WaitAsync(patience.Token);
            await SayWhyAsync(_socket, reason, patience.Token);
            await receiving.WaitAsync(patience.Token);
            await DrainAsync(_socket, patience.Token);
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or ObjectDisposedException or IOException or InvalidOperationException)
        {
            // It ends either way; only the peer's log is the poorer.
            return;
        }
    }

    /// <summary>Sends the close frame with the reason.</summary>
    public static Task SayWhyAsync(WebSocket socket, WireException reason, CancellationToken patience) =>
        socket.CloseOutputAsync(reason.Status, Shorten(reason.Message), patience);

    /// <summary>Reads until the peer has closed too. To drop the socket with bytes unread would reset the connection, and the reason would be lost on the way.</summary>
    public static async Task DrainAsync(WebSocket socket, CancellationToken patience)
    {
        var scratch = new byte[4096];
        while (socket.State == WebSocketState.CloseSent)
        {
            await socket.ReceiveAsync(scratch.AsMemory(), patience);
        }
    }

    /// <summary>A close frame takes 123 bytes of reason.</summary>
    private static string Shorten(string reason)
    {
        while (Encoding.UTF8.GetByteCount(reason) > 123)
        {
            reason = reason[..(reason.Length - Math.Max(1, (Encoding.UTF8.GetByteCount(reason) - 123) / 3))];
        }

        return reason;
    }
}
