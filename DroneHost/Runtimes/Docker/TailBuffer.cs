using System.Buffers;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>The last bytes of what is added.</summary>
internal sealed class TailBuffer(int limit)
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    public void Add(ReadOnlySpan<byte> bytes)
    {
        _bytes.Write(bytes);
        if (_bytes.WrittenCount > 2L * limit)
        {
            // Moved now and then instead of each time.
            var tail = ToArray();
            _bytes.ResetWrittenCount();
            _bytes.Write(tail);
        }
    }

    public byte[] ToArray() => _bytes.WrittenSpan[^Math.Min(limit, _bytes.WrittenCount)..].ToArray();
}
