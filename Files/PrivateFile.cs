using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Plane.Files;

// Every program of Plane runs on Linux.
#pragma warning disable CA1416

/// <summary>Files and directories that only their user may read, and files that are whole whenever they are read.</summary>
internal static partial class PrivateFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnerExecutes = OwnerOnly | UnixFileMode.UserExecute;

    // O_RDONLY | O_CLOEXEC: fsync needs no more, and the value is the same on every architecture that .NET runs on.
    private const int ReadOnlyDirectory = 0x80000;

    /// <summary>Opens a file without a buffer; a new one gets mode 0600.</summary>
    public static FileStream Open(string path, FileMode mode, FileAccess access, FileShare share, UnixFileMode rights = OwnerOnly)
    {
        var options = new FileStreamOptions { Mode = mode, Access = access, Share = share, BufferSize = 0 };
        if (mode != FileMode.Open)
        {
            options.UnixCreateMode = rights;
        }

        return new FileStream(path, options);
    }

    /// <summary>Makes the file where it is missing.</summary>
    public static void Touch(string path) => Open(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete).Dispose();

    /// <summary>Takes the rights of others to an existing file away.</summary>
    public static void Restrict(string path) => File.SetUnixFileMode(path, OwnerOnly);

    /// <summary>Makes the directory, mode 0700, where it is missing.</summary>
    public static void CreateDirectory(string path) => Directory.CreateDirectory(path, OwnerExecutes);

    /// <summary>Makes the directory, or takes the rights of others to it away.</summary>
    public static void RestrictDirectory(string path)
    {
        CreateDirectory(path);
        if (File.GetUnixFileMode(path) != OwnerExecutes)
        {
            File.SetUnixFileMode(path, OwnerExecutes);
        }
    }

    /// <summary>Writes beside and renames. Nothing is forced to the disk: for files whose content ends with the boot.</summary>
    public static void Replace(string path, ReadOnlySpan<byte> content)
    {
        var temporary = Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}");
        using (var file = Open(temporary, FileMode.Create, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete))
        {
            file.Write(content);
        }

        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>Writes beside, renames and forces both to the disk: a reader sees the old content or the new, also after a power cut.</summary>
    public static void ReplaceDurably(string path, ReadOnlySpan<byte> content)
    {
        WriteBeside(path, content, OwnerOnly, toDisk: true);
        SyncDirectory(Path.GetDirectoryName(path)!);
    }

    /// <summary>Writes a file that its user may execute. A shell that runs the old one reads it as it goes, so it is not written over.</summary>
    public static void WriteProgram(string path, ReadOnlySpan<byte> content) => WriteBeside(path, content, OwnerExecutes, toDisk: false);

    private static void WriteBeside(string path, ReadOnlySpan<byte> content, UnixFileMode rights, bool toDisk)
    {
        var temporary = $"{path}.{Guid.NewGuid():N}.new";
        try
        {
            using (var file = Open(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, rights))
            {
                file.Write(content);
                file.Flush(flushToDisk: toDisk);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    // The new name must be on the disk too. The runtime opens no directories.
    private static void SyncDirectory(string path)
    {
        using var directory = new SafeFileHandle(Open(path, ReadOnlyDirectory), ownsHandle: true);
        if (directory.IsInvalid || Sync(directory) != 0)
        {
            throw new IOException($"{path} can't be synced to disk: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Sync(SafeFileHandle file);
}
