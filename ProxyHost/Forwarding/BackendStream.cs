using System.Net.Sockets;

namespace Plane.ProxyHost.Forwarding;

/// <summary>
/// A connection to a backend, as the handler reads and writes it. When the backend has switched protocols the handler is no longer needed for it, but holds
/// buffers of 8 kB as long as the connection lives, which for an idle WebSocket is almost half of all that it costs: so the connection can be taken from it,
/// and the socket, which remembers what it sent last, be made to forget the request.
/// </summary>
internal sealed class BackendStream(Socket socket) : NetworkStream(socket, ownsSocket: true)
{
    // The handler does not say which connection a response came over. But an empty read of the response's line goes straight down to its connection, on the same
    // thread, where nothing is buffered above it.
    // A backend that takes nothing for so long isn't just slow.
    private static readonly TimeSpan s_stall = TimeSpan.FromMilliseconds(500);

    [ThreadStatic]
    private static bool _isAsked;

    [ThreadStatic]
    private static BackendStream? _answer;

    private bool _taken;
    private bool _isSwitched;
    private bool _isClosed;
    private CancellationTokenSource? _giveUp;

    /// <summary>The exchange whose body is being written, as far as the write flows.</summary>
    public static AsyncLocal<Exchange?> Upload { get; } = new();

    /// <summary>
    /// The connection under a line that was switched to another protocol, which is then disposed of without it; or null where the handler has read on and holds
    /// bytes of the new protocol already, or works otherwise than was seen: then the line is used as it is.
    /// </summary>
    public static BackendStream? TakeFrom(Stream line)
    {
        ValueTask<int> asking;
        BackendStream? answer;
        _isAsked = true;
        try
        {
            asking = line.ReadAsync(Memory<byte>.Empty);
            answer = _answer;
        }
        finally
        {
            _isAsked = false;
            _answer = null;
        }

        if (!asking.IsCompletedSuccessfully)
        {
            throw new InvalidOperationException("an empty read of a switched line waits");
        }

        asking.GetAwaiter().GetResult();
        if (answer is not null)
        {
            answer._isSwitched = true;
            answer._taken = true;
            line.Dispose();
            answer._taken = false;
            _ = answer.ForgetAsync();
        }

        return answer;
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_isAsked && buffer.IsEmpty)
        {
            _answer = this;
            return ValueTask.FromResult(0);
        }

        return base.ReadAsync(buffer, cancellationToken);
    }

    /// <summary>
    /// Writes, unless the backend has closed: then what it has answered before is there to be read (Linux keeps it behind a reset), and if there is nothing the next read says so. An
    /// exception here would end the request without that read. The same holds where it takes no more of an upload and has refused it: the handler reads no answer before it has sent all.
    /// </summary>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_isClosed)
        {
            return ValueTask.CompletedTask;
        }

        if (!_isSwitched && Upload.Value is { IsUpload: true } upload)
        {
            var sending = base.WriteAsync(buffer, (_giveUp ??= new CancellationTokenSource()).Token);
            return sending.IsCompletedSuccessfully ? sending : UnlessRefusedAsync(sending.AsTask(), upload);
        }

        var writing = base.WriteAsync(buffer, cancellationToken);
        return writing.IsCompletedSuccessfully || _isSwitched ? writing : UnlessClosedAsync(writing);
    }

    private async ValueTask UnlessRefusedAsync(Task writing, Exchange upload)
    {
        while (!writing.IsCompleted)
        {
            await writing.WaitAsync(s_stall).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!writing.IsCompleted && HasRefused())
            {
                await _giveUp!.CancelAsync();
                await writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                _isClosed = upload.IsUnread = true;
                return;
            }
        }

        await UnlessClosedAsync(new ValueTask(writing));
    }

    private async ValueTask UnlessClosedAsync(ValueTask writing)
    {
        try
        {
            await writing;
        }
        catch (IOException e) when (e.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionReset or SocketError.Shutdown or SocketError.ConnectionAborted })
        {
            _isClosed = true;
            if (Upload.Value is { } upload)
            {
                upload.IsUnread = true;
            }
        }
    }

    /// <summary>
    /// Whether a final answer has come, behind interim ones perhaps, by which the backend wants no more of the request: a redirect or an error. One of success may be given while the
    /// request is read on. An upload has a connection of its own, over which nothing was read yet.
    /// </summary>
    private bool HasRefused()
    {
        // "HTTP/1.1 413 …"
        const int Status = 9;
        Span<byte> peeked = stackalloc byte[2048];
        var come = Socket.Available == 0 ? [] : peeked[..Socket.Receive(peeked, SocketFlags.Peek)];
        while (come.Length > Status && come.StartsWith("HTTP/1."u8) && come[Status] == '1')
        {
            var end = come.IndexOf("\r\n\r\n"u8);
            come = end < 0 ? [] : come[(end + 4)..];
        }

        return come.Length > Status && come.StartsWith("HTTP/1."u8) && come[Status] is (byte)'3' or (byte)'4' or (byte)'5';
    }

    // A send of nothing sends nothing, and is what the socket remembers from then on instead of the handler's buffer of 4 kB.
    private async Task ForgetAsync()
    {
        try
        {
            await base.WriteAsync(ReadOnlyMemory<byte>.Empty);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The connection is lost: the next read or write fails.
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (!_taken)
        {
            base.Dispose(disposing);
            _giveUp?.Dispose();
        }
    }
}
