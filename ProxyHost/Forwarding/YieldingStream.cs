using Plane.Hosting.Running;


namespace Plane.ProxyHost.Forwarding;

/// <summary>
/// A backend's bytes, read or written by turns with everybody else's. Where a socket's completions run on the thread that found them
/// (<see cref="SocketCompletions"/>), a transfer whose both ends always keep up would never give that thread back, and the thread's other sockets would wait for its
/// end. So after each stretch that did not have to wait for anything the transfer continues in the thread pool.
/// </summary>
internal sealed class YieldingStream(Stream inner) : Stream
{
    // Some tenths of a millisecond; a body of less isn't worth a wrapper.
    public const int Stretch = 256 * 1024;

    private int _read;
    private int _written;

    public override bool CanRead => inner.CanRead;

    public override bool CanSeek => false;

    public override bool CanWrite => inner.CanWrite;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var reading = inner.ReadAsync(buffer, cancellationToken);
        if (!reading.IsCompletedSuccessfully)
        {
            _read = 0;
            return reading;
        }

        var read = reading.GetAwaiter().GetResult();
        return IsWithin(ref _read, read) ? ValueTask.FromResult(read) : ElsewhereAsync(read);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var writing = inner.WriteAsync(buffer, cancellationToken);
        if (!writing.IsCompletedSuccessfully)
        {
            _written = 0;
            return writing;
        }

        writing.GetAwaiter().GetResult();
        return IsWithin(ref _written, buffer.Length) ? ValueTask.CompletedTask : new ValueTask(ElsewhereAsync(0).AsTask());
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("bodies are read asynchronously");

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("bodies are written asynchronously");

    public override void Flush() => throw new NotSupportedException("bodies are written asynchronously");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Counts a stretch; false where it has become long enough, and begins the next.</summary>
    public static bool IsWithin(ref int stretch, int bytes)
    {
        stretch += bytes;
        if (stretch < Stretch)
        {
            return true;
        }

        stretch = 0;
        return false;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }

    private static async ValueTask<int> ElsewhereAsync(int read)
    {
        await Task.Yield();
        return read;
    }
}
