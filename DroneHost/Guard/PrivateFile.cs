namespace Plane.Drone.Guard;

/// <summary>Files that only the drone's user may look into, and that are whole whenever they are looked at.</summary>
internal static class PrivateFile
{
    /// <summary>Writes beside and renames. Nothing is forced to a disk: what these files say ends with the boot.</summary>
    public static void Replace(string path, ReadOnlySpan<byte> content)
    {
        var temporary = Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}");
        using (var stream = Open(temporary, FileMode.Create))
        {
            stream.Write(content);
        }

        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>Makes it where it is missing.</summary>
    public static void Touch(string path) => Open(path, FileMode.Append).Dispose();

    private static FileStream Open(string path, FileMode mode)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.Write, Share = FileShare.ReadWrite | FileShare.Delete, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        return new FileStream(path, options);
    }
}
