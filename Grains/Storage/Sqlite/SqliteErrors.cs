using Microsoft.Data.Sqlite;

namespace Plane.Grains.Storage.Sqlite;

/// <summary>What an error of SQLite means for the caller: its cause and what to do, without the file's path (anybody may read <c>/pub/health</c>).</summary>
internal static class SqliteErrors
{
    // https://www.sqlite.org/rescode.html
    private const int Busy = 5;
    private const int Locked = 6;
    private const int NoMemory = 7;
    private const int ReadOnly = 8;
    private const int InputOutput = 10;
    private const int Corrupt = 11;
    private const int Full = 13;
    private const int CannotOpen = 14;
    private const int NotADatabase = 26;

    /// <summary>Whether the file is unfit for the moment; anything else is a defect of a statement.</summary>
    public static bool IsUnavailable(Exception error) => error is SqliteException
    {
        SqliteErrorCode: Busy or Locked or NoMemory or ReadOnly or InputOutput or Corrupt or Full or CannotOpen or NotADatabase
    };

    /// <summary>Whether another program has locked the file.</summary>
    public static bool IsLocked(SqliteException error) => error.SqliteErrorCode is Busy or Locked;

    /// <summary>Whether the file is damaged, or no database.</summary>
    public static bool IsDamaged(SqliteException error) => error.SqliteErrorCode is Corrupt or NotADatabase;

    /// <summary>The cause and what to do.</summary>
    /// <param name="error">One for which <see cref="IsUnavailable"/> holds.</param>
    /// <param name="file">The file, which finds out what SQLite does not tell.</param>
    public static string Reason(SqliteException error, SqliteFile file) => error.SqliteErrorCode switch
    {
        Full => OfDisk("No space left on device"),
        Busy or Locked => "another program has locked the database file: end its transaction (fuser -v names the programs that have the file open)",
        Corrupt or NotADatabase => "the database file is damaged: stop the controller, and restore a backup",
        NoMemory => "there is no memory left for the database",
        _ => OfDisk(file.WriteProblem() ?? error.Message),
    };

    /// <summary>The reason where the file system refuses to write.</summary>
    /// <param name="cause">The file system's words.</param>
    public static string OfDisk(string cause) => cause switch
    {
        "No space left on device" => "the disk of the database file is full: free some space there",
        "Disk quota exceeded" => "the disk quota of the database file's owner is used up: free some space, or raise the quota",
        "Read-only file system" => "the file system of the database file is read-only: mount it for writing",
        _ => $"the database file cannot be read or written ({cause}): see to its disk and its permissions",
    };
}
