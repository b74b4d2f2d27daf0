using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Plane.Proxy.Acme;

/// <summary>Files that nobody else may read, replaced whole: who reads one, also after a power cut, sees the old content or the new.</summary>
internal static partial class PrivateFile
{
    private const UnixFileMode FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode DirectoryMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    // O_RDONLY | O_CLOEXEC: fsync needs no more, and the value is the same on every architecture that .NET runs on.
    private const int ReadOnlyDirectory = 0x80000;

    /// <summary>Makes the directory, or takes others' rights to it away.</summary>
    public static void Prepare(string directory)
    {
        Directory.CreateDirectory(directory, DirectoryMode);
        if (File.GetUnixFileMode(directory) != DirectoryMode)
        {
            File.SetUnixFileMode(directory, DirectoryMode);
        }
    }

    public static void Write(string path, ReadOnlySpan<byte> content)
    {
        var temporary = $"{path}.{RandomText.Name("")}.new";
        try
        {
            using (var file = new FileStream(
                temporary,
                new FileStreamOptions { Mode = System.IO.FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = FileMode, BufferSize = 0 }))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }

        SyncDirectory(Path.GetDirectoryName(path)!);
    }

    // The new name must be on disk too. The runtime opens no directories.
    private static void SyncDirectory(string path)
    {
        var descriptor = Open(path, ReadOnlyDirectory);
        if (descriptor < 0)
        {
            throw new IOException($"{path} can't be opened: error {Marshal.GetLastPInvokeError()}");
        }

        using var directory = new SafeFileHandle(descriptor, ownsHandle: true);
        if (Sync(directory) != 0)
        {
            throw new IOException($"{path} can't be synced to disk: error {Marshal.GetLastPInvokeError()}");
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(SafeFileHandle file);
}
