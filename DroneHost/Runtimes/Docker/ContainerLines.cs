using System.Buffers;
using System.Globalization;
using System.Text;
using Plane.DroneHost.Runtimes.Output;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>
/// Makes lines of what a container engine sends of an output, each piece with its time before it.
/// <list type="number">
/// <item>A piece is a line, or 16 KiB of a longer one, of which the engine makes several pieces: each has a time of its own, and the line has the first.</item>
/// <item>The two streams come interleaved, piece by piece, so each has a state of its own.</item>
/// <item>The time in nanoseconds is the line's position; of two with the same time the second has the next number.</item>
/// </list>
/// </summary>
/// <param name="budget">What may be passed on, or null for all.</param>
/// <param name="after">The position after which lines are wanted.</param>
internal sealed class ContainerLines(OutputBudget? budget, long after)
{
    private const int PieceBytes = 16 * 1024;

    // 2026-11-30T04:13:33.123456789Z
    private const int MaxStamp = 30;

    private readonly Source _output = new(OutputStream.Stdout);
    private readonly Source _errors = new(OutputStream.Stderr);
    private long _dropped;
    private long _after = after;

    /// <summary>The position of the last line.</summary>
    public long Last { get; private set; } = after;

    /// <summary>Takes in what was read.</summary>
    /// <param name="stream">Of which stream it is.</param>
    /// <param name="bytes">What was read.</param>
    /// <param name="lines">Gets the lines that it completes.</param>
    public void Add(OutputStream stream, ReadOnlySpan<byte> bytes, List<OutputLine> lines)
    {
        var source = stream == OutputStream.Stderr ? _errors : _output;
        while (bytes.Length > 0)
        {
            bytes = bytes[(source.IsInText ? AddText(source, bytes, lines) : AddStamp(source, bytes))..];
        }
    }

    /// <summary>What follows is a new reading, from the last line on.</summary>
    public void Resume()
    {
        _after = Last;
        foreach (var source in (ReadOnlySpan<Source>)[_output, _errors])
        {
            source.Line.Drop();
            source.Stamp.ResetWrittenCount();
            source.IsInText = false;
        }
    }

    /// <summary>The output has ended: what has no end of line yet is a line.</summary>
    public void Finish(List<OutputLine> lines)
    {
        foreach (var source in (ReadOnlySpan<Source>)[_output, _errors])
        {
            if (!source.Line.IsEmpty)
            {
                Complete(source, lines);
            }

            source.IsInText = false;
        }
    }

    /// <summary>A moment as the engine writes it, in nanoseconds since 1970.</summary>
    internal static bool TryReadStamp(ReadOnlySpan<byte> text, out long nanoseconds)
    {
        nanoseconds = 0;
        if (text is not [.., (byte)'Z'] || text.Length is < 20 or > MaxStamp
            || !TryReadSeconds(text[..19], out var seconds))
        {
            return false;
        }

        var fraction = 0L;
        var digits = text.Length > 20 ? text[20..^1] : [];
        if (text.Length > 20 && (text[19] != '.' || digits.IndexOfAnyExceptInRange((byte)'0', (byte)'9') >= 0))
        {
            return false;
        }

        for (var i = 0; i < 9; i++)
        {
            fraction = (fraction * 10) + (i < digits.Length ? digits[i] - '0' : 0);
        }

        nanoseconds = ((seconds - DateTime.UnixEpoch).Ticks * 100) + fraction;
        return nanoseconds > 0;
    }

    private static bool TryReadSeconds(ReadOnlySpan<byte> text, out DateTime seconds) => DateTime.TryParseExact(
        Encoding.ASCII.GetString(text), "yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out seconds);

    private static int AddStamp(Source source, ReadOnlySpan<byte> bytes)
    {
        var end = bytes.IndexOf((byte)' ');
        var taken = Math.Min(end >= 0 ? end : bytes.Length, MaxStamp + 1 - source.Stamp.WrittenCount);
        source.Stamp.Write(bytes[..taken]);
        if (taken == end && TryReadStamp(source.Stamp.WrittenSpan, out var nanoseconds))
        {
            source.Begin(nanoseconds);
            return taken + 1;
        }

        if (taken == end || source.Stamp.WrittenCount > MaxStamp || source.Stamp.WrittenSpan.Contains((byte)'\n'))
        {
            // No time: a log driver that keeps none. What was taken for one is text.
            source.BeginWithout(source.Stamp.WrittenCount - taken);
            return 0;
        }

        return taken;
    }

    private int AddText(Source source, ReadOnlySpan<byte> bytes, List<OutputLine> lines)
    {
        if (source.TakeBack() is { Length: > 0 } before)
        {
            AddText(source, before, lines);
        }

        var piece = bytes[..Math.Min(bytes.Length, PieceBytes - source.InPiece)];
        if (piece.IndexOf((byte)'\n') is >= 0 and var end)
        {
            source.Line.Add(piece[..end]);
            Complete(source, lines);
            source.IsInText = false;
            return end + 1;
        }

        source.Line.Add(piece);
        source.InPiece += piece.Length;
        source.IsInText = source.InPiece < PieceBytes;
        return piece.Length;
    }

    private void Complete(Source source, List<OutputLine> lines)
    {
        var position = Math.Max(source.Nanoseconds, Last + 1);
        if (source.Nanoseconds > 0 && source.Nanoseconds <= _after)
        {
            source.Line.Drop();
        }
        else if (budget?.Take(source.Line.Length) == false)
        {
            source.Line.Drop();
            Last = position;
            _dropped++;
        }
        else
        {
            var (text, isCut) = source.Line.Take();
            Last = position;
            lines.Add(new OutputLine
            {
                Position = position,
                Time = source.Nanoseconds > 0 ? DateTimeOffset.UnixEpoch.AddTicks(source.Nanoseconds / 100) : null,
                Stream = source.Stream,
                Text = text,
                Cut = isCut,
                Dropped = _dropped,
            });
            _dropped = 0;
        }
    }

    private sealed class Source(OutputStream stream)
    {
        private byte[] _back = [];

        public OutputStream Stream => stream;

        public ArrayBufferWriter<byte> Stamp { get; } = new();

        public LineAssembler Line { get; } = new();

        public bool IsInText { get; set; }

        public long Nanoseconds { get; private set; }

        public int InPiece { get; set; }

        public void Begin(long nanoseconds)
        {
            Nanoseconds = Line.IsEmpty ? nanoseconds : Nanoseconds;
            (IsInText, InPiece) = (true, 0);
            Stamp.ResetWrittenCount();
        }

        /// <summary>What was taken for a time before this read is text; what this read brought comes again.</summary>
        public void BeginWithout(int before)
        {
            _back = Stamp.WrittenSpan[..before].ToArray();
            Nanoseconds = Line.IsEmpty ? 0 : Nanoseconds;
            (IsInText, InPiece) = (true, 0);
            Stamp.ResetWrittenCount();
        }

        public byte[] TakeBack()
        {
            var back = _back;
            _back = [];
            return back;
        }
    }
}
