using Plane.DroneHost.Runtimes.Output;

namespace Plane.DroneHost.Runtimes.Process;

/// <summary>
/// Makes lines of what a process wrote. A line's position is that of its end. Lines that are passed over are counted: each end of a line has a number, also of those that were cut off unread.
/// </summary>
internal sealed class ProcessLines
{
    private readonly OutputReader _reader;
    private readonly OutputSelection _selection;
    private readonly Lock _gate;
    private readonly LineAssembler _line = new();
    private readonly OutputTimes _times;
    private readonly byte[] _buffer = new byte[64 * 1024];
    private long _position;
    private long _lines;
    private long _dropped;
    private bool _isWithinLine;
    private bool _counts;

    /// <summary>Makes one.</summary>
    /// <param name="files">The backend.</param>
    /// <param name="selection">Which lines.</param>
    /// <param name="end">How much of the end is read where no position is given.</param>
    /// <param name="gate">Held while the files are read: they are not cut meanwhile.</param>
    public ProcessLines(BackendFiles files, OutputSelection selection, long end, Lock gate)
    {
        (_reader, _selection, _gate, _times) = (new OutputReader(files), selection, gate, OutputTimes.Read(files));
        lock (gate)
        {
            var range = _reader.Range();
            _position = selection.After ?? Math.Max(range.Begin, range.End - end);

            // The end that is looked at begins within a line, most likely. Nothing of that counts as dropped.
            _isWithinLine = selection.After is null && _position > 0;
            _lines = selection.Follow && _position >= range.Begin ? _reader.LinesBefore(_position, _buffer) : 0;
            _counts = selection.Follow && _position >= range.Begin;
        }
    }

    /// <summary>Whether all was read.</summary>
    public bool IsAtEnd
    {
        get
        {
            lock (_gate)
            {
                return _position >= _reader.Range().End;
            }
        }
    }

    /// <summary>Passes over lines, and counts them, where there is more to read than so many bytes.</summary>
    public void SkipTo(long behind)
    {
        lock (_gate)
        {
            var until = _reader.Range().End - behind;
            if (_position >= until)
            {
                return;
            }

            _line.Drop();
            while (_position < until && ReadBytes((int)Math.Min(_buffer.Length, until - _position)) is > 0 and var read)
            {
                var ended = _buffer.AsSpan(0, read).Count((byte)'\n');
                _position += read;
                _lines += ended;
                _dropped = OutputLine.AddDropped(_dropped, ended);
            }

            _isWithinLine = true;
        }
    }

    /// <summary>Reads on.</summary>
    /// <param name="lines">Gets the lines.</param>
    /// <param name="now">The time of what was not noted yet.</param>
    /// <returns>How many bytes; 0 at the end.</returns>
    public int Read(List<OutputLine> lines, DateTimeOffset now)
    {
        int read;
        lock (_gate)
        {
            read = ReadBytes(_buffer.Length);
        }

        var bytes = _buffer.AsSpan(0, read);
        while (bytes.IndexOf((byte)'\n') is >= 0 and var end)
        {
            _line.Add(bytes[..end]);
            _position += end + 1;
            _lines++;
            bytes = bytes[(end + 1)..];
            if (_isWithinLine)
            {
                _line.Drop();
                _isWithinLine = false;
                _dropped = _selection.After is null ? _dropped : OutputLine.AddDropped(_dropped, 1);
            }
            else if (Take(_selection.Follow ? now : null) is { } line)
            {
                lines.Add(line);
            }
        }

        _line.Add(bytes);
        _position += bytes.Length;
        return read;
    }

    /// <summary>The last line, where it has no end.</summary>
    public OutputLine? Finish() => _line.IsEmpty || _isWithinLine ? null : Take(null);

    private int ReadBytes(int most)
    {
        var (read, gap) = _reader.Read(_position, _buffer.AsSpan(0, most));
        if (gap is var (position, lines, beginsLine))
        {
            // What was in between was cut off before it was read.
            _line.Drop();
            _dropped = _counts ? OutputLine.AddDropped(_dropped, lines - _lines) : -1;
            (_position, _lines, _isWithinLine, _counts) = (position, lines, !beginsLine, _selection.Follow);
        }

        return read;
    }

    private OutputLine? Take(DateTimeOffset? now)
    {
        var time = _times.Of(_position) ?? now;
        if (_selection.Since is { } since && time < since)
        {
            _line.Drop();
            return null;
        }

        var (text, isCut) = _line.Take();
        var line = new OutputLine { Position = _position, Time = time, Stream = OutputStream.Stdout, Text = text, Cut = isCut, Dropped = _dropped };
        _dropped = 0;
        return line;
    }
}
