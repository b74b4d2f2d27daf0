using Microsoft.Data.Sqlite;
using Plane.Files;
using Plane.Hosting.Running;
using Plane.Hosting;

namespace Plane.DroneHost.State;

/// <summary>Opens the SQLite file: its settings, its schema; and says in words why a file is refused.</summary>
internal static class StateFile
{
    /// <summary>The schema that this program reads and writes.</summary>
    public const int SchemaVersion = 2;

    /// <summary>
    /// The schema of a file that never had a warm backend. What version 2 adds is a table that a program of version 1 ignores; it must not continue with a warm backend, which it
    /// would take for one that holds its key. So the version is raised with the first of them (<see cref="MarkWarm"/>).
    /// </summary>
    private const int VersionWithoutWarm = 1;

    /// <summary>"PLDR": tells a drone's state from any other SQLite file.</summary>
    private const int ApplicationId = 0x504C4452;

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

    private const string ClaimsSchema =
        """
        create table if not exists claims (
            backend text not null,
            token integer not null,
            claim_token integer not null,
            claim_json text not null,
            primary key (backend, token)) strict, without rowid;
        """;

    /// <exception cref="StartRefusedException">The file is damaged, of a newer version, or not a drone's.</exception>
    public static SqliteDatabase Open(string path)
    {
        SqliteDatabase? session = null;
        try
        {
            session = new SqliteDatabase(path);

            // Before anything that writes: a foreign file stays as it is.
            Recognise(session, path);
            session.Execute("pragma locking_mode = exclusive");
            session.Execute("pragma journal_mode = wal");
            session.Execute("pragma synchronous = full");
            if (session.ScalarText("pragma quick_check(1)") is not "ok")
            {
                throw Damaged(path);
            }

            Migrate(session);
            return session;
        }
        catch (Exception e)
        {
            session?.Dispose();
            throw e switch
            {
                SqliteException s when SqliteErrors.IsForeign(s) => Foreign(path),
                SqliteException s when SqliteErrors.IsDamaged(s) => Damaged(path),
                SqliteException => new StartRefusedException($"the state file {path} cannot be opened: {e.Message}", ExitCodes.Usage),
                _ => e,
            };
        }
    }

    /// <summary>From here on a program that does not know warm backends refuses the file.</summary>
    public static void MarkWarm(SqliteDatabase session)
    {
        if (session.Scalar("pragma user_version") < SchemaVersion)
        {
            session.Execute(FormattableString.Invariant($"pragma user_version = {SchemaVersion}"));
        }
    }

    private static StartRefusedException Damaged(string path) => new(
        $"the state file {path} is damaged; move it away to start as a new drone (what it ran is then lost, and its keys expire)", ExitCodes.Usage);

    private static StartRefusedException Foreign(string path) => new($"{path} is not a drone's state file", ExitCodes.Usage);

    private static void Recognise(SqliteDatabase session, string path)
    {
        var application = session.Scalar("pragma application_id");
        var version = session.Scalar("pragma user_version");
        var isEmpty = session.Scalar("select count(*) from sqlite_schema") == 0;
        if (application != ApplicationId && !(application == 0 && isEmpty))
        {
            throw Foreign(path);
        }

        if (version > SchemaVersion)
        {
            throw new StartRefusedException(
                $"the state file {path} was written by a newer version of plane (schema {version}; this version supports {SchemaVersion}): install that version, or use another --state file", ExitCodes.Usage);
        }
    }

    private static void Migrate(SqliteDatabase session)
    {
        session.Execute("begin immediate");
        if (session.Scalar("pragma user_version") == 0)
        {
            session.Execute(Schema);
            session.Execute(FormattableString.Invariant($"pragma application_id = {ApplicationId}"));
            session.Execute(FormattableString.Invariant($"pragma user_version = {VersionWithoutWarm}"));
        }

        session.Execute(ClaimsSchema);
        session.Execute("commit");
    }
}
