namespace Plane.Drone.Runtimes.Docker;

/// <summary>The lines of a stream that has no end of its own, each of bounded length. One reader at a time.</summary>
internal sealed class BoundedLines(Stream stream)
{
    private const int MaxLine = 256 * 1024;

    private byte[] _buffer = new byte[8 * 1024];
    private int _start;
    private int _end;

    /// <summary>The next line that isn't empty, valid until the next call; null at the end.</summary>
    /// <exception cref="InvalidDataException">A line is longer than 256 KiB.</exception>
    public async Task<ReadOnlyMemory<byte>?> ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var newline = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n');
            if (newline >= 0)
            {
                var line = _buffer.AsMemory(_start, newline);
                _start += newline + 1;
                if (line.Span.IndexOfAnyExcept((byte)' ', (byte)'\r') >= 0)
                {
                    return line;
                }

                continue;
            }

            MakeRoom();
            var read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
            if (read == 0)
            {
                ReadOnlyMemory<byte> rest = _buffer.AsMemory(_start, _end - _start);
                _start = _end;
                return rest.Span.IndexOfAnyExcept((byte)' ', (byte)'\r') >= 0 ? rest : default(ReadOnlyMemory<byte>?);
            }

            _end += read;
        }
    }

    private void MakeRoom()
    {
        if (_end < _buffer.Length)
        {
            return;
        }

        var length = _end - _start;
        if (length >= MaxLine)
        {
            throw new InvalidDataException("a line of the engine's stream is longer than 256 KiB");
        }

        var target = length > _buffer.Length / 2 ? new byte[_buffer.Length * 2] : _buffer;
        _buffer.AsSpan(_start, length).CopyTo(target);
        (_buffer, _start, _end) = (target, 0, length);
    }
}
