using System.Globalization;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Plane.Storage.Postgres;

/// <summary>Checks the server's settings, brings the schema up to date and reads the installation id; one program at a time, by a lock of the session.</summary>
internal sealed partial class PostgresMigrator(NpgsqlConnection connection, ILogger logger)
{
    // plane.lock_id('migrations'): by its number, because the schema may not exist yet.
    private const string Lock = "(1886151022::bigint << 32) + 2";

    private readonly IReadOnlyList<Migration> _migrations = Migration.Of("Postgres");
    private readonly SchemaFunctions _functions = SchemaFunctions.Of("Postgres");

    /// <returns>The installation id.</returns>
    /// <exception cref="StoreRefusedException">The server or its schema must not be used.</exception>
    public async Task<string> RunAsync(CancellationToken cancellationToken)
    {
        if (connection.PostgreSqlVersion.Major < 14)
        {
            throw new StoreRefusedException($"PostgreSQL {connection.PostgreSqlVersion} is too old: 14 or later is needed");
        }

        // A server without fsync loses acknowledged transactions in a crash of the machine, and so two backends may hold one key.
        if (await ReadAsync("show fsync", cancellationToken) == "off")
        {
            throw new StoreRefusedException("the database runs with fsync = off: a crash would lose what was acknowledged; set fsync = on");
        }

        if (await ReadAsync("show synchronous_commit", cancellationToken) is "off" and var setting)
        {
            LogSynchronousCommit(setting);
        }

        if (await ReadAsync("select pg_encoding_to_char(encoding) from pg_database where datname = current_database()", cancellationToken) is not "UTF8" and var encoding)
        {
            throw new StoreRefusedException($"the database's encoding is {encoding}: create it with encoding UTF8");
        }

        await ExecuteAsync($"select pg_advisory_lock({Lock})", cancellationToken);
        try
        {
            await MigrateAsync(cancellationToken);
        }
        finally
        {
            // Not cancelled: the lock belongs to the session, which goes back to the pool.
            await ExecuteAsync($"select pg_advisory_unlock({Lock})", CancellationToken.None);
        }

        // Restored into a younger cluster, old rows would carry transaction ids of the future.
        await ExecuteAsync(
            """
            delete from plane.changes where transaction_id >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
            update plane.changes_cleaned set transaction_id = 0, sequence = 0
            where transaction_id >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
            """,
            cancellationToken);
        return await ReadAsync("select id from plane.installation", cancellationToken);
    }

    private async Task MigrateAsync(CancellationToken cancellationToken)
    {
        // What builds from before version 0.1.0 counted their steps in.
        if (await ReadAsync("select coalesce(to_regclass('plane.migrations')::text, '')", cancellationToken) is not "")
        {
            throw new StoreRefusedException(Migration.RefusalOfOlderBuild("name an empty database in --db, or drop the old schema (drop schema plane cascade)"));
        }

        await ExecuteAsync(
            """
            do $$ begin
                if not exists (select 1 from pg_namespace where nspname = 'plane') then
                    create schema plane;
                end if;
                if to_regclass('plane.schema_versions') is null then
                    create table plane.schema_versions (version integer primary key, oldest integer not null, applied_at timestamptz not null default now());
                    comment on table plane.schema_versions is 'The steps that this schema was made by; oldest: the version of the oldest program that works with it. Written by PostgresMigrator.';
                    create table plane.schema_functions (
                        single boolean primary key default true check (single),
                        version integer not null,
                        hash text not null,
                        applied_at timestamptz not null default now()
                    );
                    comment on table plane.schema_functions is 'Which program''s functions are in force: its version, and a hash of their text. Written by PostgresMigrator.';
                end if;
            end $$
            """,
            cancellationToken);
        var own = _migrations[^1].Version;
        var (schema, oldest) = await ReadVersionAsync(cancellationToken);
        if (Migration.Refusal(schema, oldest, own) is { } refusal)
        {
            throw new StoreRefusedException(refusal);
        }

        foreach (var migration in _migrations.Where(m => m.Version > schema))
        {
            await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
            await ExecuteAsync(migration.Sql, cancellationToken);
            await ExecuteAsync(
                string.Create(CultureInfo.InvariantCulture, $"insert into plane.schema_versions (version, oldest) values ({migration.Version}, {migration.Oldest})"),
                cancellationToken);
            await transaction.CommitAsync(cancellationToken);
            LogMigrated(migration.Version);
        }

        if (schema <= own)
        {
            await ReplaceFunctionsAsync(own, cancellationToken);
        }
    }

    /// <summary>Puts this program's functions in force where others are. Those of a newer program stay: it has more steps of the schema.</summary>
    private async Task ReplaceFunctionsAsync(int own, CancellationToken cancellationToken)
    {
        if (await ReadAsync("select coalesce((select hash from plane.schema_functions), '')", cancellationToken) == _functions.Hash)
        {
            return;
        }

        // Bodies are not checked: functions call each other, whatever the order of their files.
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await ExecuteAsync("set local check_function_bodies = off", cancellationToken);
        await ExecuteAsync(_functions.Sql, cancellationToken);
        await ExecuteAsync(
            string.Create(
                CultureInfo.InvariantCulture,
                $"""
                insert into plane.schema_functions (version, hash) values ({own}, '{_functions.Hash}')
                on conflict (single) do update set version = excluded.version, hash = excluded.hash, applied_at = excluded.applied_at
                """),
            cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        LogFunctions(_functions.Hash[..12]);
    }

    private async Task<(int Schema, int Oldest)> ReadVersionAsync(CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("select coalesce(max(version), 0), coalesce(max(oldest), 0) from plane.schema_versions", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return (reader.GetInt32(0), reader.GetInt32(1));
    }

    private async Task<string> ReadAsync(string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return (string)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private async Task ExecuteAsync(string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 300 };
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    [LoggerMessage(EventId = EventIds.PostgresMigratorSynchronousCommit, Level = LogLevel.Warning, Message = "the database runs with synchronous_commit = {Setting}: a crash of its machine may lose what was acknowledged")]
    private partial void LogSynchronousCommit(string setting);

    [LoggerMessage(EventId = EventIds.PostgresMigratorMigrated, Level = LogLevel.Information, Message = "the database's schema is now at version {Version}")]
    private partial void LogMigrated(int version);

    [LoggerMessage(EventId = EventIds.PostgresMigratorFunctions, Level = LogLevel.Information, Message = "The database's functions are now those of this program ({Hash}).")]
    private partial void LogFunctions(string hash);
}
