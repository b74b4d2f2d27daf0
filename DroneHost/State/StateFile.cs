using Microsoft.Data.Sqlite;
using Plane.Hosting;

namespace Plane.Drone.State;

/// <summary>Opens the SQLite file: its mode, its settings, its schema; and says in words why a file is refused.</summary>
internal static class StateFile
{
    /// <summary>The schema that this program reads and writes.</summary>
    public const int SchemaVersion = 1;

    /// <summary>"PLDR": tells a drone's state from any other SQLite file.</summary>
    private const int ApplicationId = 0x504C4452;

    private const int NotADatabase = 26;
    private const int Corrupt = 11;

    private const string Schema =
        """
        create table meta (key text not null primary key, value text not null) strict, without rowid;

        create table backends (
            backend text not null,
            token integer not null,
            order_json text,
            status integer not null,
            instance_id text not null,
            boot_id text not null,
            renew_at integer not null,
            soft_at integer not null,
            hard_at integer not null,
            refused integer not null default 0,
            port integer,
            address text,
            pid integer,
            start_time integer,
            end_kind integer,
            end_reason integer,
            stop_at integer,
            stop_boot text,
            ended_at integer,
            primary key (backend, token)) strict, without rowid;

        create table outbox (
            seq integer primary key autoincrement,
            backend text not null,
            token integer not null,
            event_json text not null) strict;

        create table remembered_ends (
            backend text not null,
            token integer not null,
            number integer not null,
            kind integer not null,
            reason integer not null,
            primary key (backend, token)) strict, without rowid;

        create table probe (id integer primary key, filler blob) strict;
        """;

    /// <exception cref="StartRefusedException">The file is damaged, of a newer version, or none of a drone.</exception>
    public static SqliteConnection Open(string path)
    {
        SQLitePCL.Batteries_V2.Init();
        CreatePrivate(path);
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false, DefaultTimeout = 1 }.ToString());
        try
        {
            connection.Open();

            // Before anything that writes: a foreign file stays as it is.
            Recognise(connection, path);
            Execute(connection, "pragma locking_mode = exclusive");
            Execute(connection, "pragma journal_mode = wal");
            Execute(connection, "pragma synchronous = full");
            if (Scalar(connection, "pragma quick_check(1)") is not "ok")
            {
                throw Damaged(path);
            }

            Migrate(connection);
            return connection;
        }
        catch (SqliteException e)
        {
            connection.Dispose();
            throw e.SqliteErrorCode switch
            {
                NotADatabase => new StartRefusedException($"{path} is not a drone's state file", ExitCodes.Usage),
                Corrupt => Damaged(path),
                _ => new StartRefusedException($"the state file {path} cannot be opened: {e.Message}", ExitCodes.Usage),
            };
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private static StartRefusedException Damaged(string path) => new(
        $"the state file {path} is damaged; move it away to start as a new drone (what it ran is then lost, and its keys expire)", ExitCodes.Usage);

    private static void CreatePrivate(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new StartRefusedException("a drone runs on Linux", ExitCodes.Usage);
        }

        const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        if (File.Exists(path))
        {
            // It holds registry passwords and tokens; SQLite gives its side files the same mode.
            File.SetUnixFileMode(path, OwnerOnly);
            return;
        }

        using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly });
    }

    private static void Recognise(SqliteConnection connection, string path)
    {
        var application = (long)Scalar(connection, "pragma application_id")!;
        var version = (long)Scalar(connection, "pragma user_version")!;
        var empty = (long)Scalar(connection, "select count(*) from sqlite_schema")! == 0;
        if (application != ApplicationId && !(application == 0 && empty))
        {
            throw new StartRefusedException($"{path} is not a drone's state file", ExitCodes.Usage);
        }

        if (version > SchemaVersion)
        {
            throw new StartRefusedException(
                $"the state file {path} was written by a newer version (schema {version}; this one knows {SchemaVersion})", ExitCodes.Usage);
        }
    }

    private static void Migrate(SqliteConnection connection)
    {
        if ((long)Scalar(connection, "pragma user_version")! == SchemaVersion)
        {
            return;
        }

        using var transaction = connection.BeginTransaction(deferred: false);
        Execute(connection, Schema);
        Execute(connection, FormattableString.Invariant($"pragma application_id = {ApplicationId}"));
        Execute(connection, FormattableString.Invariant($"pragma user_version = {SchemaVersion}"));
        transaction.Commit();
    }

    private static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Constants of this file.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.ExecuteNonQuery();
    }

    private static object? Scalar(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Constants of this file.
        command.CommandText = sql;
#pragma warning restore CA2100
        return command.ExecuteScalar();
    }
}
