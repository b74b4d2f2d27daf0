using System.Globalization;
using Plane.Hosting;

namespace Plane.Drone.State;

/// <summary>
/// Keeps a second agent from the state file: an advisory lock (flock(2)) on a file beside it, which the kernel drops when its holder dies however it dies. The
/// holder's pid stands in a third file, since the lock keeps others from reading the locked one.
/// </summary>
internal sealed class StateFileLock : IDisposable
{
    private readonly FileStream _lock;

    private StateFileLock(FileStream file) => _lock = file;

    /// <summary>Takes the lock.</summary>
    /// <exception cref="StartRefusedException">Another agent holds it.</exception>
    public static StateFileLock Take(string stateFile)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new StartRefusedException("a drone runs on Linux", ExitCodes.Usage);
        }

        var options = new FileStreamOptions
        {
            Mode = FileMode.OpenOrCreate,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None,
            BufferSize = 0,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        };
        FileStream file;
        try
        {
            file = new FileStream(stateFile + ".lock", options);
        }
        catch (IOException e) when (e is not DirectoryNotFoundException && File.Exists(stateFile + ".lock"))
        {
            throw new StartRefusedException(
                $"the state file {stateFile} is in use by another drone agent (pid {ReadHolder(stateFile)})", ExitCodes.Usage);
        }

        try
        {
            File.WriteAllText(PidFile(stateFile), Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        }
        catch (IOException)
        {
            // A full disk keeps the pid from being told, not the agent from going on with what it runs.
            TryDelete(PidFile(stateFile));
        }

        return new StateFileLock(file);
    }

    public void Dispose() => _lock.Dispose();

    private static string PidFile(string stateFile) => stateFile + ".pid";

    private static string ReadHolder(string stateFile)
    {
        try
        {
            return File.ReadAllText(PidFile(stateFile)) is { Length: > 0 } pid ? pid : "unknown";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "unknown";
        }
    }

    private static void TryDelete(string path)
    {
        if (File.Exists(path))
        {
            File.Delete(path);
        }
    }
}
