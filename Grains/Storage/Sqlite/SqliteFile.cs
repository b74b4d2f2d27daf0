using System.Runtime.InteropServices;

namespace Plane.Grains.Storage.Sqlite;

/// <summary>
/// The database file in the hands of one controller: a handle that is open, and locked by the kernel (<c>flock</c>), as long as the controller uses the file. A file
/// beside it names the holder. SQLite's own locks are of another kind (<c>fcntl</c>): <c>sqlite3</c> and backups work beside it.
/// <para>
/// The handle is opened before SQLite opens the file and closed after SQLite has closed it: a process that closes any handle of a file gives up all its
/// <c>fcntl</c> locks on it.
/// </para>
/// </summary>
internal sealed class SqliteFile : IDisposable
{
    private const int WouldBlock = 11;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _path;
    private readonly FileStream _handle;
    private readonly string? _place;
    private readonly string _holder;

    private SqliteFile(string path, FileStream handle, string holder)
    {
        (_path, _handle, _holder) = (path, handle, holder);
        _place = Place();
    }

    /// <summary>What is wrong with the file's place, or null: what is written into a file that has no name any more is lost at the next start.</summary>
    public string? Misplaced => Place() == _place
        ? null
        : "the database file was removed or renamed while the controller has it open: put that very file back, or restart the controller with the right one";

    /// <summary>Opens the file, which is created where there is none, and takes the lock.</summary>
    /// <param name="path">The file.</param>
    /// <param name="holder">Names this controller for another one that is refused.</param>
    /// <exception cref="StoreRefusedException">Another controller has it, or it cannot be opened.</exception>
    public static SqliteFile Take(string path, string holder)
    {
        FileStream? handle = null;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);

            // It holds secrets; SQLite gives its log the same mode.
            handle = new FileStream(path, Options(FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
            var file = new SqliteFile(path, handle, holder);
            file.NameHolder();
            return file;
        }
        catch (IOException e) when (handle is null && e.HResult == WouldBlock)
        {
            var other = ReadHolder(path);
            throw new StoreRefusedException($"{path} is held by {other}: a SQLite store serves one controller at a time; stop that one first", e) { Holder = other };
        }
        catch (Exception e) when (handle is null && e is IOException or UnauthorizedAccessException)
        {
            throw new StoreRefusedException($"{path} cannot be opened: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            handle!.Dispose();
            throw new StoreUnavailableException(SqliteErrors.OfDisk(Cause(e)), e);
        }
    }

    private void NameHolder()
    {
        using var stream = new FileStream(HolderOf(_path), Options(FileMode.Create, FileAccess.Write, FileShare.ReadWrite));
        stream.Write(System.Text.Encoding.UTF8.GetBytes(_holder));
        stream.Flush(flushToDisk: true);
    }

    /// <summary>Why the file system takes no writes beside the database, in its own words, or null where it does. SQLite says of most errors only that there was one.</summary>
    public string? WriteProblem()
    {
        try
        {
            NameHolder();
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Cause(e);
        }
    }

    /// <summary>Gives the lock up. The holder's name stays beside the file: it counts only while the file is locked.</summary>
    public void Dispose() => _handle.Dispose();

    // The number of the kernel's error is in the exception, or in the one within.
    private static string Cause(Exception e) =>
        e.HResult > 0 ? Marshal.GetPInvokeErrorMessage(e.HResult) : e.InnerException is { } inner ? Cause(inner) : e.Message;

    private static string HolderOf(string path) => path + ".holder";

    private static FileStreamOptions Options(FileMode mode, FileAccess access, FileShare share)
    {
        var options = new FileStreamOptions { Mode = mode, Access = access, Share = share, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        return options;
    }

    private static string ReadHolder(string path)
    {
        try
        {
            var text = File.ReadAllText(HolderOf(path));
            return text.Length == 0 ? "another controller" : text.Length > 300 ? text[..300] : text;
        }
        catch (IOException)
        {
            return "another controller";
        }
        catch (UnauthorizedAccessException)
        {
            return "a controller of another user";
        }
    }

    // Where the kernel knows the open file to be now; unlike a look at the path it cannot meet another file. Null where there is no /proc.
    private string? Place()
    {
        var link = $"/proc/self/fd/{_handle.SafeFileHandle.DangerousGetHandle()}";
        return Directory.Exists("/proc/self/fd") ? File.ResolveLinkTarget(link, returnFinalTarget: false)?.FullName : null;
    }
}
