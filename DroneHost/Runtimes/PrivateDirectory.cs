namespace Plane.Drone.Runtimes;

/// <summary>Directories that only the drone's user may look into.</summary>
internal static class PrivateDirectory
{
    /// <summary>Makes it, mode 0700, where it is missing.</summary>
    public static void Create(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("A drone runs on Linux.");
        }

        Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>Writes a file that its user may read and execute.</summary>
    public static void WriteProgram(string path, string text)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("A drone runs on Linux.");
        }

        // Written beside and renamed: a shell that runs the old one reads it as it goes.
        var temporary = $"{path}.{Guid.NewGuid():N}";
        File.WriteAllText(temporary, text);
        File.SetUnixFileMode(temporary, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.Move(temporary, path, overwrite: true);
    }
}
