namespace Plane.Files;

/// <summary>
/// An advisory lock (flock(2)) on a file, which the kernel releases when its holder dies, however it dies. <see cref="IsHeld"/> takes a shared lock for a moment, so
/// a holder-to-be tries more than once.
/// </summary>
internal sealed class FileLock : IDisposable
{
    private const int WouldBlock = 11;

    private readonly FileStream _file;

    private FileLock(FileStream file) => _file = file;

    /// <summary>
    /// The path at which the kernel knows the open file now; unlike a look at the path it cannot meet another file. Null where there is no <c>/proc</c>.
    /// </summary>
    public string? Place => new FileInfo($"/proc/self/fd/{_file.SafeFileHandle.DangerousGetHandle()}").LinkTarget;

    /// <summary>Takes the lock, or null where another process has it. The file is made where it is missing.</summary>
    public static FileLock? TryTake(string path)
    {
        while (Open(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None) is { } file)
        {
            // The holder before may have removed the file: a lock on a name that is gone excludes no other process.
            var taken = new FileLock(file);
            if (taken.Place?.EndsWith(" (deleted)", StringComparison.Ordinal) != true)
            {
                return taken;
            }

            taken.Dispose();
        }

        return null;
    }

    /// <summary>Takes the lock, trying for a while.</summary>
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

    /// <summary>Whether a process has the lock now.</summary>
    public static bool IsHeld(string path)
    {
        try
        {
            using var probe = Open(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            return probe is null;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
    }

    public void Dispose() => _file.Dispose();

    private static FileStream? Open(string path, FileMode mode, FileAccess access, FileShare share)
    {
        try
        {
            return PrivateFile.Open(path, mode, access, share);
        }
        catch (IOException e) when (e.HResult == WouldBlock)
        {
            return null;
        }
    }
}
