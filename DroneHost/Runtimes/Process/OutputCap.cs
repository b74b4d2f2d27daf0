namespace Plane.Drone.Runtimes.Process;

/// <summary>
/// Bounds what a backend's output takes of the disk. The launcher opens the file to append, so it can be cut under the writer: what is written next lands at the
/// new end. What is lost is what was written between copying and cutting, of a backend that writes megabytes a second.
/// </summary>
internal static class OutputCap
{
    /// <summary>Above the limit, moves the newest half of it aside and empties the file.</summary>
    /// <returns>Whether it was above.</returns>
    public static bool Enforce(BackendFiles files, long limit)
    {
        var info = new FileInfo(files.Output);
        if (!info.Exists || info.Length <= limit)
        {
            return false;
        }

        using var output = new FileStream(files.Output, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, 1);
        var temporary = $"{files.OlderOutput}.new";
        using (var older = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.Read, 1))
        {
            output.Seek(Math.Max(0, output.Length - (limit / 2)), SeekOrigin.Begin);
            var buffer = new byte[64 * 1024];
            for (var left = limit / 2; left > 0;)
            {
                var read = output.Read(buffer, 0, (int)Math.Min(left, buffer.Length));
                if (read == 0)
                {
                    break;
                }

                older.Write(buffer, 0, read);
                left -= read;
            }
        }

        output.SetLength(0);
        File.Move(temporary, files.OlderOutput, overwrite: true);
        return true;
    }
}
