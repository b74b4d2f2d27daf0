namespace Plane.Drone.Guard;

/// <summary>Files that only the drone's user may look into, and that are whole whenever they are looked at.</summary>
internal static class PrivateFile
{
    /// <summary>Writes beside and renames. Nothing is forced to a disk: what these files say ends with the boot.</summary>
    public static void Replace(string path, ReadOnlySpan<byte> content)
    {
        var temporary = Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}");
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Share = FileShare.Read, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using (var stream = new FileStream(temporary, options))
        {
            stream.Write(content);
        }

        File.Move(temporary, path, overwrite: true);
    }
}
