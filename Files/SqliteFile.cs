using System.Runtime.InteropServices;
using System.Text;

namespace Plane.Files;

/// <summary>
/// A database file that one process uses: the kernel's lock (<c>flock</c>) on it, and a file beside it that names the holder. SQLite's own locks are of another kind
/// (<c>fcntl</c>): <c>sqlite3</c> and backups work beside it.
/// <para>
/// The lock is taken before SQLite opens the file and released after SQLite has closed it: a process that closes any handle of a file loses all its <c>fcntl</c>
/// locks on it.
/// </para>
/// </summary>
internal sealed class SqliteFile : IDisposable
{
    private const string Unknown = "another process";
    private const int MaxHolder = 300;

    private readonly string _path;
    private readonly string _holder;
    private readonly FileLock _lock;
    private readonly string? _place;

    private SqliteFile(string path, string holder, FileLock held) => (_path, _holder, _lock, _place) = (path, holder, held, held.Place);

    /// <summary>Whether the file was removed or renamed: what is written into a file that has no name any more is lost at the next start.</summary>
    public bool IsMisplaced => _lock.Place != _place;

    /// <summary>Makes the file, mode 0600 (it holds secrets; SQLite gives its log the same mode), where it is missing, and takes the lock.</summary>
    /// <param name="path">The file.</param>
    /// <param name="holder">Names this process for another one that is refused.</param>
    /// <returns>The file, or null where another process has it (<see cref="ReadHolder"/>).</returns>
    public static SqliteFile? TryTake(string path, string holder)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return FileLock.TryTake(path) is { } held ? new SqliteFile(path, holder, held) : null;
    }

    /// <summary>The name that the holder gave itself.</summary>
    public static string ReadHolder(string path)
    {
        try
        {
            var text = File.ReadAllText(HolderOf(path));
            return text.Length == 0 ? Unknown : text.Length > MaxHolder ? text[..MaxHolder] : text;
        }
        catch (IOException)
        {
            return Unknown;
        }
        catch (UnauthorizedAccessException)
        {
            return "a process of another user";
        }
    }

    /// <summary>Writes the holder's name. It stays at the end: it counts only while the file is locked.</summary>
    /// <returns>Why the file system takes no writes beside the database, in its own words, or null where it does. SQLite says of most errors only that there was one.</returns>
    public string? NameHolder()
    {
        try
        {
            using var stream = PrivateFile.Open(HolderOf(_path), FileMode.Create, FileAccess.Write, FileShare.ReadWrite);
            stream.Write(Encoding.UTF8.GetBytes(_holder));
            stream.Flush(flushToDisk: true);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Cause(e);
        }
    }

    public void Dispose() => _lock.Dispose();

    // The number of the kernel's error is in the exception, or in the one within.
    private static string Cause(Exception e) =>
        e.HResult > 0 ? Marshal.GetPInvokeErrorMessage(e.HResult) : e.InnerException is { } inner ? Cause(inner) : e.Message;

    private static string HolderOf(string path) => path + ".holder";
}
