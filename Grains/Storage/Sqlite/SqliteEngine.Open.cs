using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Plane.Grains.Storage.Sqlite;

internal sealed partial class SqliteEngine
{
    private const int ApplicationId = 0x504C_4E45;

    private SqliteSession Open()
    {
        SQLitePCL.Batteries_V2.Init();
        _file = SqliteFile.Take(_path, _holder);

        // The time-out is how long the driver asks for a lock that another program holds.
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = _path, Pooling = false, DefaultTimeout = 1 }.ConnectionString);
        var session = new SqliteSession(connection);
        try
        {
            connection.Open();
            session.Execute("pragma journal_mode = wal");
            session.Execute("pragma synchronous = full");
            session.Execute("pragma temp_store = memory");
            session.Execute($"pragma journal_size_limit = {LargeLog}");
            session.Execute("begin immediate");
            Migrate(session);
            session.Execute("commit");
            return session;
        }
        catch (SqliteException e) when (SqliteErrors.IsDamaged(e))
        {
            session.Dispose();
            throw new StoreRefusedException($"{_path} is not a SQLite database, or is damaged: restore a backup, or name another file", e);
        }
        catch (SqliteException e) when (SqliteErrors.IsUnavailable(e))
        {
            session.Dispose();
            throw new StoreUnavailableException(SqliteErrors.Reason(e, _file), e);
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    private void Migrate(SqliteSession session)
    {
        var migrations = Migration.Of("Sqlite");
        var tables = session.Scalar("select count(*) from sqlite_master");
        if (tables > 0 && session.Scalar("pragma application_id") != ApplicationId)
        {
            throw new StoreRefusedException($"{_path} is the database of another program");
        }

        session.Execute($"pragma application_id = {ApplicationId}");
        session.Execute("create table if not exists migrations (version integer primary key, oldest integer not null)");
        var schema = (int)session.Scalar("select coalesce(max(version), 0) from migrations")!;
        var oldest = (int)session.Scalar("select coalesce(max(oldest), 0) from migrations")!;
        if (Migration.Refusal(schema, oldest, migrations[^1].Version) is { } refusal)
        {
            throw new StoreRefusedException(refusal);
        }

        foreach (var migration in migrations.Where(m => m.Version > schema))
        {
            session.Execute(migration.Sql);
            session.Execute("insert into migrations (version, oldest) values ($1, $2)", migration.Version, migration.Oldest);
            LogMigrated(migration.Version);
        }

        var saved = session.Query("select lease_base, record_offset from clock", static r => (r.GetInt64(0), r.GetInt64(1)));
        Clock = SqliteClock.Open(saved.Count == 0 ? null : saved[0], _time, _leaseClock);
        session.Execute(
            "insert into clock (single, lease_base, record_offset) values (1, $1, $2) on conflict (single) do update set record_offset = excluded.record_offset",
            Clock.Lease,
            Clock.RecordOffset);

        // The lease clock stood still while the file was closed, so every heartbeat looks as fresh as it was then. Who lives says so again within seconds.
        session.Execute("update drones set ready = 0");
    }

    [LoggerMessage(EventId = EventIds.SqliteEngineMigrated, Level = LogLevel.Information, Message = "The database file's schema is now at version {Version}.")]
    private partial void LogMigrated(int version);
}
