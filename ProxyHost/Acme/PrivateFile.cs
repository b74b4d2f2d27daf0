using Microsoft.Win32.SafeHandles;

namespace Plane.Proxy.Acme;

/// <summary>Files that nobody else may read, replaced whole: who reads one, also after a power cut, sees the old content or the new.</summary>
internal static class PrivateFile
{
    private const UnixFileMode FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode DirectoryMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

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

        // The new name must be on disk too.
        using SafeFileHandle directory = File.OpenHandle(Path.GetDirectoryName(path)!, System.IO.FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        RandomAccess.FlushToDisk(directory);
    }
}
