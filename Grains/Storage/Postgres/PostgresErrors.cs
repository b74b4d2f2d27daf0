using System.Net.Sockets;
using Npgsql;

namespace Plane.Grains.Storage.Postgres;

/// <summary>What an error of the driver means for the caller.</summary>
internal static class PostgresErrors
{
    /// <summary>The server rolled the transaction back in favour of another: the same again will do (deadlock, serialisation failure).</summary>
    public static bool IsRetriable(Exception error) => error is PostgresException { SqlState: PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure };

    /// <summary>The database is away or unfit for the moment, so that the outcome is unknown; anything else is a defect here.</summary>
    public static bool IsUnavailable(Exception error) => error switch
    {
        PostgresException e => e.IsTransient || IsRetriable(e) || e.SqlState.Length == 5 && e.SqlState[..2] switch
        {
            "08" => true, // connection exceptions
            "53" => true, // insufficient resources: disk full, out of memory, too many connections
            "57" => true, // operator intervention: shutdown, starting up, database dropped, cancelled by a time-out
            "58" => true, // system errors outside PostgreSQL
            "28" => true, // authorisation: an operator's mistake that may be mended while this runs
            _ => e.SqlState is "25006" or "3D000" or "55P03", // read-only (a standby), no such database, lock not available
        },
        NpgsqlException or TimeoutException or SocketException or IOException or ObjectDisposedException => true,
        _ => false,
    };

    /// <summary>Of the errors that make the database unavailable, those that say so of the whole server and not of one statement.</summary>
    public static bool IsAway(Exception error) => error is not PostgresException e
        ? IsUnavailable(error)
        : IsAway(e.SqlState);

    private static bool IsAway(string state) =>
        state[..2] is "08" or "28"
        || state is PostgresErrorCodes.TooManyConnections or PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown
            or PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.InvalidCatalogName or PostgresErrorCodes.ReadOnlySqlTransaction;

    /// <summary>Whether it is a time-out, which one slow statement may have as well.</summary>
    public static bool TookTooLong(Exception error) => error is TimeoutException or NpgsqlException { InnerException: TimeoutException };

    /// <summary>The exception for the caller. The driver's messages name hosts and users, never passwords.</summary>
    public static StoreUnavailableException Unavailable(Exception error) => new(
        error is PostgresException ? Told(error) : $"the database is away: {Told(error)}", error)
    {
        IsRefusal = error is PostgresException { SqlState: ['2', '8', ..] or PostgresErrorCodes.InvalidCatalogName },
    };

    /// <summary>What happened, for the log: an outage has its causes there and no stack trace, which would say where it was noticed.</summary>
    public static string Told(Exception error) => error is PostgresException p ? $"the database answered {p.SqlState}: {p.MessageText}" : Chain(error);

    /// <summary>The stack trace of what is no outage.</summary>
    public static Exception? Unforeseen(Exception error) => IsUnavailable(error) || error is StoreUnavailableException ? null : error;

    // The driver's own message often says only that something went wrong while it read.
    private static string Chain(Exception error)
    {
        var messages = new List<string>();
        for (var e = error; e is not null; e = e.InnerException)
        {
            if (!messages.Exists(m => m.Contains(e.Message, StringComparison.Ordinal)))
            {
                messages.Add(e.Message);
            }
        }

        return string.Join(": ", messages);
    }
}
