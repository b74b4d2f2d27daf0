using Microsoft.AspNetCore.WebUtilities;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>A stream that fails where more is read of it than may be: its reader keeps what it can't make a message of yet.</summary>
internal sealed class LimitedStream(Stream inner, int limit) : BufferedReadStream(inner, 4096)
{
    private readonly int _limit = limit;
    private int _left = limit;

    /// <summary>Starts counting again: what was read by now is a message, and is not kept.</summary>
    public void Reset() => _left = _limit;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var read = await base.ReadAsync(buffer, cancellationToken);
        _left -= read;
        return _left >= 0 ? read : throw new InvalidDataException($"a message is longer than {_limit} bytes");
    }
}
