using Microsoft.Data.Sqlite;

namespace Plane.Files;

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

    /// <summary>Whether the file can't be used for the moment; anything else is a defect of a statement.</summary>
    public static bool IsUnavailable(Exception error) => error is SqliteException
    {
        SqliteErrorCode: Busy or Locked or NoMemory or ReadOnly or InputOutput or Corrupt or Full or CannotOpen or NotADatabase
    };

    /// <summary>Whether the file is damaged.</summary>
    public static bool IsDamaged(SqliteException error) => error.SqliteErrorCode is Corrupt;

    /// <summary>Whether the file is not a database.</summary>
    public static bool IsForeign(SqliteException error) => error.SqliteErrorCode is NotADatabase;

    /// <summary>The cause and what to do.</summary>
    /// <param name="error">One for which <see cref="IsUnavailable"/> holds.</param>
    /// <param name="what">The file, as <c>the database file</c>.</param>
    /// <param name="file">Finds out what SQLite does not say.</param>
    public static string Reason(SqliteException error, string what, SqliteFile file) => error.SqliteErrorCode switch
    {
        Full => OfDisk("No space left on device", what),
        Busy or Locked => $"another program has locked {what}: end its transaction (fuser -v names the programs that have the file open)",
        Corrupt or NotADatabase => $"{what} is damaged: stop the program, and restore a backup or begin with a new file",
        NoMemory => $"there is no memory left for {what}",
        _ => OfDisk(file.NameHolder() ?? error.Message, what),
    };

    /// <summary>The reason where the file system refuses to write.</summary>
    /// <param name="cause">The file system's words.</param>
    /// <param name="what">The file, as <c>the database file</c>.</param>
    public static string OfDisk(string cause, string what) => cause switch
    {
        "No space left on device" => $"the disk of {what} is full: free some space there",
        "Disk quota exceeded" => $"the disk quota of the owner of {what} is used up: free some space, or raise the quota",
        "Read-only file system" => $"the file system of {what} is read-only: mount it for writing",
        _ => $"{what} cannot be read or written ({cause}): see to its disk and its permissions",
    };
}
