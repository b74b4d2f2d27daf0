namespace Plane.ProxyHost.Forwarding;

/// <summary>
/// What a request's body is written to. YARP flushes the head alone before it reads the body, so that a client's pause keeps no head back: <see cref="RequestBodyClock"/> does that where the client does pause.
/// What is there together leaves together: a backend that answers by the head and closes, as servers of HTTP/1.0 do, resets the connection where a body comes to it later, and with it what it has answered.
/// </summary>
internal sealed class RequestStream(Stream inner) : Stream
{
    private bool _begun;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        _begun = true;
        return inner.WriteAsync(buffer, cancellationToken);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => _begun ? inner.FlushAsync(cancellationToken) : Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("bodies are written asynchronously");

    public override void Flush() => throw new NotSupportedException("bodies are written asynchronously");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
