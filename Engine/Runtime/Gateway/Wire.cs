using System.Buffers;
using System.Net.WebSockets;
using System.Text.Json;

namespace Orleans.Gateway;

/// <summary>
/// The constants and frames of the gateway's protocol; <c>Engine/README.md</c> describes it. A WebSocket message holds one or more frames with a line feed between
/// (a JSON text never contains a raw one), so that many small calls cost one system call.
/// </summary>
internal static class Wire
{
    /// <summary>The largest frame and message: 16 MiB.</summary>
    public const int MaxFrame = 16 << 20;

    /// <summary>The largest frame of a peer that has proven nothing yet: two names, a nonce and a proof.</summary>
    public const int MaxStrangersFrame = 4 << 10;

    /// <summary>The largest contract. One of hundreds of methods stays below.</summary>
    public const int MaxContractFrame = 1 << 20;

    /// <summary>Frames are put together into one message up to here.</summary>
    public const int Batch = 64 << 10;

    public const int Version = 1;

    public const string Path = "/gateway";

    public const byte Separator = (byte)'\n';

    [ThreadStatic]
    private static Utf8JsonWriter? _writer;

    public static ReadOnlyMemory<byte> Ping { get; } = "[\"p\"]"u8.ToArray();

    public delegate void WriteBody<in T>(Utf8JsonWriter writer, T state);

    /// <summary>Writes one frame, an array of the kind and what the body adds.</summary>
    /// <exception cref="FrameTooLargeException">It is larger than a frame may be.</exception>
    public static FrameBuffer Frame<T>(string kind, T state, WriteBody<T> body)
    {
        var buffer = new FrameBuffer();
        var writer = _writer ?? new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true, Encoder = Contract.EngineJson.Options.Encoder });
        // Taken while in use: a converter could end up here again.
        _writer = null;
        try
        {
            writer.Reset(buffer);
            writer.WriteStartArray();
            writer.WriteStringValue(kind);
            body(writer, state);
            writer.WriteEndArray();
            writer.Flush();
            return buffer;
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
        finally
        {
            writer.Reset(Stream.Null);
            _writer = writer;
        }
    }

    /// <summary>The next element, which must be a string.</summary>
    public static string String(ref Utf8JsonReader reader, string what) =>
        reader.Read() && reader.TokenType == JsonTokenType.String ? reader.GetString()! : throw new WireException($"malformed frame: {what} is no string");

    /// <summary>The next element, which must be a whole number that is not negative.</summary>
    public static long Number(ref Utf8JsonReader reader, string what) =>
        reader.Read() && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var value) && value >= 0
            ? value
            : throw new WireException($"malformed frame: {what} is no number");
}

/// <summary>A frame that would be larger than the other end takes.</summary>
internal sealed class FrameTooLargeException() : Runtime.OrleansException($"the message is larger than {Wire.MaxFrame >> 20} MiB");

/// <summary>The peer did something that ends the connection; the message is the reason it is told.</summary>
internal sealed class WireException(string reason, WebSocketCloseStatus status = WebSocketCloseStatus.InvalidPayloadData, string kind = "malformed") : Exception(reason)
{
    public WebSocketCloseStatus Status { get; } = status;

    /// <summary>The reason as a label of the counter.</summary>
    public string Kind { get; } = kind;
}

/// <summary>A pooled buffer that grows up to the size of a frame.</summary>
internal sealed class FrameBuffer : IBufferWriter<byte>, IDisposable
{
    private byte[] _bytes = ArrayPool<byte>.Shared.Rent(512);
    private int _length;

    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, _length);

    public ReadOnlyMemory<byte> Memory => _bytes.AsMemory(0, _length);

    public int Length => _length;

    public void Advance(int count) => _length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Ensure(sizeHint);
        return _bytes.AsMemory(_length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Ensure(sizeHint);
        return _bytes.AsSpan(_length);
    }

    public void Dispose()
    {
        var bytes = Interlocked.Exchange(ref _bytes, []);
        if (bytes.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private void Ensure(int more)
    {
        more = Math.Max(more, 1);
        if (_bytes.Length - _length >= more)
        {
            return;
        }

        // The writer asks for up to six bytes per character before it knows; the frame itself is checked by what was written.
        if (_length > Wire.MaxFrame)
        {
            throw new FrameTooLargeException();
        }

        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_bytes.Length * 2, _length + more));
        Written.CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = larger;
    }
}
