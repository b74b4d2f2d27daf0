using System.Globalization;
using System.Runtime.InteropServices;

namespace Plane.DroneHost.Runtimes.Process;

/// <summary>
/// What a backend must not inherit from the agent though <c>fork</c> and <c>execve</c> would hand it on, and no POSIX shell can change: ignored signals (.NET ignores SIGPIPE,
/// <c>nohup</c> SIGHUP, a shell SIGINT and SIGQUIT of what it starts in the background), the signal mask, and open files that the agent itself was started with.
/// <c>launcher.sh</c> resets the rest: session, umask, the protection from the out-of-memory killer. The environment is composed separately for each backend.
/// </summary>
internal static partial class CleanInheritance
{
    // Numbers of every architecture that .NET runs on, but for MIPS' SIG_SETMASK.
    private const int CloseRange = 436;
    private const int CloseOnExec = 4;
    private const int SetDescriptorFlags = 2;
    private const int DescriptorCloseOnExec = 1;
    private const int SetMask = 2;

    // sigset_t of glibc and musl has 128 bytes.
    private const int MaskSize = 128;

    // A handler that does nothing and may run at any moment on any thread, which no managed method may. execve sets a caught signal back to its default; an ignored one stays ignored.
    private static readonly nint s_nothing = NativeLibrary.GetExport(NativeLibrary.GetMainProgramHandle(), "abs");

    /// <summary>Calls what forks, so that the child starts with default signals, an empty mask and no file but its standard ones.</summary>
    public static T Fork<T>(Func<T> fork)
    {
        CatchIgnoredSignals();
        CloseInheritedFilesOnExec();

        // The child gets the mask of the thread that forks.
        var before = new byte[MaskSize];
        Check(SetThreadMask(SetMask, new byte[MaskSize], before));
        try
        {
            return fork();
        }
        finally
        {
            Check(SetThreadMask(SetMask, before, null));
        }
    }

    private static void CatchIgnoredSignals()
    {
        var line = File.ReadLines("/proc/self/status").First(l => l.StartsWith("SigIgn:", StringComparison.Ordinal));
        var ignored = ulong.Parse(line.AsSpan("SigIgn:".Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        for (var signal = 1; ignored != 0; signal++, ignored >>= 1)
        {
            if ((ignored & 1) != 0)
            {
                // As harmless to the agent as ignoring it: a write to a broken pipe still fails with EPIPE, and calls are resumed.
                _ = Handle(signal, s_nothing);
            }
        }
    }

    private static void CloseInheritedFilesOnExec()
    {
        if (SystemCall(CloseRange, 3, int.MaxValue, CloseOnExec) == 0)
        {
            return;
        }

        // Before Linux 5.11. .NET opens its own files so that they close; what was open before is in this list too.
        foreach (var entry in Directory.EnumerateFileSystemEntries("/proc/self/fd"))
        {
            if (int.TryParse(Path.GetFileName(entry.AsSpan()), NumberStyles.None, CultureInfo.InvariantCulture, out var descriptor) && descriptor > 2)
            {
                _ = ControlDescriptor(descriptor, SetDescriptorFlags, DescriptorCloseOnExec);
            }
        }
    }

    private static void Check(int error)
    {
        if (error != 0)
        {
            throw new System.ComponentModel.Win32Exception(error);
        }
    }

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint Handle(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "pthread_sigmask")]
    private static partial int SetThreadMask(int how, byte[] mask, byte[]? before);

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint SystemCall(nint number, nint first, nint last, nint flags);

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int ControlDescriptor(int descriptor, int command, int argument);
}
