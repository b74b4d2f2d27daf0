using System.Buffers;
using System.Text;

namespace Plane.DroneHost.Runtimes.Output;

/// <summary>Puts a line together from the pieces that it comes in, within <see cref="OutputLine.MaxBytes"/>.</summary>
internal sealed class LineAssembler
{
    private readonly ArrayBufferWriter<byte> _line = new();
    private bool _isCut;

    /// <summary>Whether nothing of a line is there.</summary>
    public bool IsEmpty => _line.WrittenCount == 0 && !_isCut;

    /// <summary>How many bytes are there.</summary>
    public int Length => _line.WrittenCount;

    /// <summary>Adds a piece, without the end of the line.</summary>
    public void Add(ReadOnlySpan<byte> piece)
    {
        var room = OutputLine.MaxBytes - _line.WrittenCount;
        _isCut |= piece.Length > room;
        _line.Write(piece[..Math.Min(room, piece.Length)]);
    }

    /// <summary>The line; the next one begins.</summary>
    public (string Text, bool IsCut) Take()
    {
        var bytes = _line.WrittenSpan;
        var line = (Encoding.UTF8.GetString(bytes is [.., (byte)'\r'] && !_isCut ? bytes[..^1] : bytes), _isCut);
        Drop();
        return line;
    }

    /// <summary>Forgets the line; the next one begins.</summary>
    public void Drop()
    {
        _line.ResetWrittenCount();
        _isCut = false;
    }
}
