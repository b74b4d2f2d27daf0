namespace Plane.Drone.Runtimes.Docker;

/// <summary>The last bytes of what is added.</summary>
internal sealed class TailBuffer(int limit)
{
    private readonly MemoryStream _bytes = new();

    public void Add(ReadOnlySpan<byte> bytes)
    {
        _bytes.Write(bytes);
        if (_bytes.Length > 2L * limit)
        {
            // Moved now and then instead of each time.
            var tail = ToArray();
            _bytes.SetLength(0);
            _bytes.Write(tail);
        }
    }

    public byte[] ToArray() => _bytes.GetBuffer().AsSpan((int)Math.Max(0, _bytes.Length - limit), (int)Math.Min(limit, _bytes.Length)).ToArray();
}
