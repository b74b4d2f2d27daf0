using System.Globalization;

namespace Plane.Drone.Guard;

/// <summary>
/// An advisory lock (flock(2)) on a file, which the kernel drops when its holder dies however it dies. Asking whether it is held takes a shared lock for a moment,
/// so whoever takes it tries more than once.
/// </summary>
internal sealed class FileLock : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly FileStream _file;

    private FileLock(FileStream file) => _file = file;

    /// <summary>Takes it, or null where somebody else has it.</summary>
    public static FileLock? TryTake(string path)
    {
        while (Open(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None) is { } file)
        {
            // Whoever had it before may have removed the file: a lock on a name that is gone keeps nobody out.
            if (!IsDeleted(file))
            {
                return new FileLock(file);
            }

            file.Dispose();
        }

        return null;
    }

    /// <summary>Takes it, trying for a while.</summary>
    public static async Task<FileLock?> TakeAsync(string path, TimeSpan atMost, TimeProvider time, CancellationToken cancellationToken)
    {
        var begun = time.GetTimestamp();
        while (true)
        {
            if (TryTake(path) is { } taken)
            {
                return taken;
            }

            if (time.GetElapsedTime(begun) >= atMost)
            {
                return null;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(25), time, cancellationToken);
        }
    }

    /// <summary>Whether somebody has it now.</summary>
    public static bool IsHeld(string path)
    {
        if (!File.Exists(path))
        {
            return false;
        }

        try
        {
            using var probe = Open(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            return probe is null;
        }
        catch (FileNotFoundException)
        {
            return false;
        }
    }

    public void Dispose() => _file.Dispose();

    private static FileStream? Open(string path, FileMode mode, FileAccess access, FileShare share)
    {
        var options = new FileStreamOptions { Mode = mode, Access = access, Share = share, BufferSize = 0 };
        if (mode != FileMode.Open && !OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        try
        {
            return new FileStream(path, options);
        }
        catch (IOException e) when (e is not (FileNotFoundException or DirectoryNotFoundException) && File.Exists(path))
        {
            return null;
        }
    }

    private static bool IsDeleted(FileStream file)
    {
        var handle = file.SafeFileHandle.DangerousGetHandle().ToString(CultureInfo.InvariantCulture);
        return new FileInfo($"/proc/self/fd/{handle}").LinkTarget is not { } target || target.EndsWith(" (deleted)", StringComparison.Ordinal);
    }
}
