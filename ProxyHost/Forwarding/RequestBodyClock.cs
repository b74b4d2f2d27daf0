namespace Plane.ProxyHost.Forwarding;

/// <summary>
/// A request's body that tells the exchange when something of it came. Whenever the client pauses, what came before it (the head, if nothing of the body did) is
/// flushed to the backend: the handler would gather 4 kB first, and the client may be waiting for an answer to what it has sent.
/// </summary>
internal sealed class RequestBodyClock(Stream body) : Stream
{
    private int _stretch;

    /// <summary>The attempt that is being made.</summary>
    public required Exchange Exchange { get; set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (Exchange.IsUnread)
        {
            // What the client still sends is drained by the server behind the answer, for some seconds.
            return 0;
        }

        var reading = body.ReadAsync(buffer, cancellationToken);
        var waits = !reading.IsCompleted;
        if (waits && Exchange.Upstream is { } upstream)
        {
            await upstream.FlushAsync(cancellationToken);
        }

        var read = await reading;
        if (waits)
        {
            _stretch = 0;
        }
        else if (!YieldingStream.IsWithin(ref _stretch, read))
        {
            // As in YieldingStream: an upload must not occupy its thread without end.
            await Task.Yield();
        }

        Exchange.BodyMoved(read);
        return read;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("the body is read asynchronously");

    public override void Flush() => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
