namespace Plane.DroneHost.Runtimes.Process;

/// <summary>
/// Bounds what a backend's output takes of the disk. The launcher opens the file to append, so it can be cut under the writer: what is written next lands at the
/// new end. What is written between the last read and the cut is lost. Of a writer that is faster than the copying, what it wrote since the last turn is counted and not kept.
/// </summary>
internal static class OutputCap
{
    private const long MostCounted = 256 * 1024 * 1024;
    private const int MostTurns = 3;

    // ENOSPC.
    private const int NoSpace = 28;

    /// <summary>Above the limit, moves the newest aside, between half of the limit and one and a half, and empties the file. Not while the same output is read.</summary>
    /// <returns>Whether it was above.</returns>
    public static bool Enforce(BackendFiles files, long limit)
    {
        var info = new FileInfo(files.Output);
        if (!info.Exists || info.Length <= limit)
        {
            return false;
        }

        using var output = new FileStream(files.Output, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, 1);
        var places = OutputPlaces.Read(files);
        var temporary = $"{files.OlderOutput}.new";
        var (from, before, kept) = (0L, 0L, 0L);
        try
        {
            // The newest is what an operator looks for: where more was written meanwhile than is kept, the copying begins anew.
            for (var (turn, isBehind) = (0, true); isBehind && turn < MostTurns; turn++)
            {
                from = Math.Max(output.Position, output.Length - (limit / 2));
                before += kept + Copy(output, null, from - output.Position);
                using var older = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.Read, 1);
                kept = Copy(output, older, limit);
                isBehind = output.Length - output.Position > limit / 2;
                kept += isBehind ? 0 : Copy(output, older, limit / 2);
            }
        }
        catch (IOException e) when (e.HResult == NoSpace)
        {
            Drop(files, output, places, temporary);
            return true;
        }

        var lines = before + kept;
        for (var (turn, end) = (0, -1L); turn < MostTurns && output.Length != end; turn++)
        {
            // Not kept, and counted: what was written since, also while this was written down. Or what comes after it would count as the rest of a line that was cut.
            lines += Copy(output, null, MostCounted);
            end = output.Length;

            // An agent that dies between here and the last line leaves the newest part twice, and never a position that goes back.
            new OutputPlaces(places.Begin + end, places.Begin + from, places.Lines + lines, places.Lines + before, EndsLine(output)).Write(files);
        }

        output.SetLength(0);
        File.Move(temporary, files.OlderOutput, overwrite: true);
        return true;
    }

    /// <summary>On a full disk the output makes room for the drone's state instead of keeping its newest part. An agent that dies in between gives some positions once more.</summary>
    private static void Drop(BackendFiles files, FileStream output, OutputPlaces places, string temporary)
    {
        File.Delete(temporary);
        File.Delete(files.OlderOutput);
        output.Position = 0;
        var lines = places.Lines + Copy(output, null, MostCounted);
        var end = places.Begin + output.Length;
        var endsLine = EndsLine(output);
        output.SetLength(0);
        new OutputPlaces(end, end, lines, lines, endsLine).Write(files);
    }

    // What comes next then begins a line, and is not passed over as the rest of one that was cut.
    private static bool EndsLine(FileStream output)
    {
        output.Position = output.Length - 1;
        return output.ReadByte() == '\n';
    }

    /// <summary>Reads on, at most so many bytes, and writes it where it is to be kept.</summary>
    /// <returns>How many lines end in it.</returns>
    private static long Copy(FileStream output, FileStream? to, long most)
    {
        var lines = 0L;
        var buffer = new byte[64 * 1024];
        while (most > 0 && output.Read(buffer, 0, (int)Math.Min(most, buffer.Length)) is > 0 and var read)
        {
            to?.Write(buffer, 0, read);
            lines += buffer.AsSpan(0, read).Count((byte)'\n');
            most -= read;
        }

        return lines;
    }
}
