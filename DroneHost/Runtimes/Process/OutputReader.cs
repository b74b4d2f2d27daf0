namespace Plane.DroneHost.Runtimes.Process;

/// <summary>Reads bytes of a backend's two output files as the one output that they are parts of.</summary>
/// <param name="files">The backend.</param>
internal sealed class OutputReader(BackendFiles files)
{
    /// <summary>From where to where there is something.</summary>
    public (long Begin, long End) Range()
    {
        var places = OutputPlaces.Read(files);
        var (output, older) = (new FileInfo(files.Output), new FileInfo(files.OlderOutput));
        return (older.Exists ? places.OlderBegin : places.Begin, places.Begin + (output.Exists ? output.Length : 0));
    }

    /// <summary>Reads from a position, or from the next one that there is.</summary>
    /// <param name="position">Where to begin.</param>
    /// <param name="buffer">For what is read.</param>
    /// <returns>How many bytes, 0 at the end; and, where it began later, at which position, how many lines end before that, and whether a line begins there.</returns>
    public (int Read, (long Position, long Lines, bool BeginsLine)? Gap) Read(long position, Span<byte> buffer)
    {
        var places = OutputPlaces.Read(files);
        if (position < places.Begin)
        {
            var from = Math.Max(position, places.OlderBegin);
            if (ReadAt(files.OlderOutput, from - places.OlderBegin, buffer) is > 0 and var read)
            {
                return (read, from > position ? (from, places.OlderLines, false) : null);
            }

            return (ReadAt(files.Output, 0, buffer), (places.Begin, places.Lines, places.BeginsLine));
        }

        return (ReadAt(files.Output, position - places.Begin, buffer), null);
    }

    /// <summary>How many lines end before a position that there is.</summary>
    public long LinesBefore(long position, byte[] buffer)
    {
        var places = OutputPlaces.Read(files);
        var (at, lines) = position < places.Begin ? (places.OlderBegin, places.OlderLines) : (places.Begin, places.Lines);
        while (at < position)
        {
            var (read, gap) = Read(at, buffer.AsSpan(0, (int)Math.Min(buffer.Length, position - at)));
            if (read == 0 || gap is not null)
            {
                break;
            }

            lines += buffer.AsSpan(0, read).Count((byte)'\n');
            at += read;
        }

        return lines;
    }

    private static int ReadAt(string path, long offset, Span<byte> buffer)
    {
        try
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return RandomAccess.Read(file, buffer, offset);
        }
        catch (FileNotFoundException)
        {
            // It has written nothing yet, or nothing was moved aside.
            return 0;
        }
    }
}
