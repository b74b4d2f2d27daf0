using System.Net.Sockets;
using Npgsql;

namespace Plane.Storage.Postgres;

/// <summary>What an error of the driver means for the caller.</summary>
internal static class PostgresErrors
{
    /// <summary>
    /// The same again will do: the server rolled the transaction back in favour of another (deadlock, serialisation failure), or has no connection to spare for the moment.
    /// </summary>
    public static bool IsRetriable(Exception error) => error is PostgresException
    {
        SqlState: PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure or PostgresErrorCodes.TooManyConnections
    };

    /// <summary>The database is unavailable or unfit for the moment, so that the outcome is unknown; anything else is a defect here.</summary>
    public static bool IsUnavailable(Exception error) => error switch
    {
        StoreUnavailableException => true,
        PostgresException e => e.IsTransient || IsRetriable(e) || IsIncomplete(e) || e.SqlState.Length == 5 && e.SqlState[..2] switch
        {
            "08" => true, // connection exceptions
            "53" => true, // insufficient resources: disk full, out of memory, too many connections
            "57" => true, // operator intervention: shutdown, starting up, database dropped, cancelled by a time-out
            "58" => true, // system errors outside PostgreSQL
            "XX" => true, // the server failed in itself, as on a used-up quota or damaged data
            "28" => true, // authorisation: an operator's mistake that may be mended while this runs
            _ => e.SqlState is "25006" or "3D000" or "55P03", // read-only (a standby), no such database, lock not available
        },
        NpgsqlException or TimeoutException or SocketException or IOException or ObjectDisposedException => true,
        _ => false,
    };

    /// <summary>Whether a right or a part of the schema is missing: mended by an operator, and at a start nothing to wait for.</summary>
    public static bool IsIncomplete(PostgresException error) => error.SqlState is PostgresErrorCodes.InsufficientPrivilege
        or PostgresErrorCodes.InvalidSchemaName or PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.UndefinedFunction;

    /// <summary>Whether the database is there and does not let this program in.</summary>
    public static bool IsRefusal(Exception error) => error is PostgresException { SqlState: ['2', '8', ..] or PostgresErrorCodes.InvalidCatalogName };

    /// <summary>The fault of the whole database that an error shows without doubt, or null.</summary>
    public static StoreFault? FaultOf(Exception error) => error switch
    {
        PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction or PostgresErrorCodes.DiskFull } => new StoreFault(Reason(error), IsTotal: false),
        NpgsqlException { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionRefused } } => new StoreFault(Reason(error), IsTotal: true),
        _ => null,
    };

    /// <summary>The exception for the caller.</summary>
    public static StoreUnavailableException Unavailable(Exception error) => error as StoreUnavailableException
        ?? new StoreUnavailableException(Reason(error), error) { IsRefusal = IsRefusal(error) };

    /// <summary>The cause, and what to do where that is known. Without addresses (anybody may read <c>/pub/health</c>); the driver names users, never passwords.</summary>
    public static string Reason(Exception error) => error switch
    {
        StoreUnavailableException => error.Message,
        PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction } =>
            "the database is read-only: have it take writes (see default_transaction_read_only, whether it is a standby, and whether its disk is full)",
        PostgresException { SqlState: PostgresErrorCodes.DiskFull } e => $"the disk of the database's server is full ({e.MessageText}): free some space there",
        PostgresException { SqlState: PostgresErrorCodes.TooManyConnections } e =>
            $"the database's server has no connection to spare ({e.MessageText}): close others, or raise max_connections",
        PostgresException e when IsRefusal(e) => $"the database does not let this controller in ({e.MessageText}): see to the user, password and database of --db",
        PostgresException e when IsIncomplete(e) => $"the database lacks a right or a part of the schema plane ({e.MessageText}): grant the right, or restore the schema from a backup",
        PostgresException { SqlState: ['5', '7', 'P', '0', '1' or '2' or '3'] } e => $"the database's server is stopping or starting ({e.MessageText})",
        PostgresException { SqlState: PostgresErrorCodes.QueryCanceled or PostgresErrorCodes.LockNotAvailable } e =>
            $"the database did not carry the statement out in time ({e.MessageText}): another session may hold a lock",
        PostgresException { SqlState: ['5', '8', ..] } e => $"the database's server cannot read or write its files ({e.MessageText}): see to its disk and its log",
        PostgresException { SqlState: ['5', '3', ..] } e => $"the database's server lacks something ({e.MessageText}): see to its memory, open files and log",
        PostgresException { SqlState: ['X', 'X', ..] } e => $"the database's server failed ({e.MessageText}): see to its log, and to disk quotas",
        PostgresException e => $"the database answered {e.SqlState}: {e.MessageText}",
        _ => Innermost(error) switch
        {
            TimeoutException => "the database does not answer in time: see to its load, to locks that are held there, and to the network",
            SocketException { SocketErrorCode: SocketError.TooManyOpenSockets } =>
                "this controller has no file descriptor left to reach the database with: raise the limit (LimitNOFILE, ulimit -n)",
            SocketException e => $"the database cannot be reached ({e.Message}): see whether it runs, and to the network",
            var e => $"the connection to the database failed ({e.Message})",
        },
    };

    /// <summary>The stack trace of what is not an outage.</summary>
    public static Exception? Unforeseen(Exception error) => IsUnavailable(error) ? null : error;

    private static Exception Innermost(Exception error) => error.InnerException is { } inner ? Innermost(inner) : error;
}
