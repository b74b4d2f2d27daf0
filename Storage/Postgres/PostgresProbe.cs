using System.Globalization;
using Npgsql;

namespace Plane.Storage.Postgres;

/// <summary>
/// Does what a connect needs, over a connection of its own: opens it, looks whether the server takes writes, locks the tables as a statement that writes does (so also
/// where a right or a table is missing), and writes as much as a connect. Nothing of it is kept.
/// </summary>
/// <param name="source">Makes the probe's connections.</param>
/// <param name="pool">Has connections where no new one is let in.</param>
/// <param name="meet">Has a look at the server of a new connection.</param>
/// <param name="gate">Knows whether statements succeed meanwhile.</param>
/// <param name="time">For the limit.</param>
internal sealed class PostgresProbe(NpgsqlDataSource source, NpgsqlDataSource pool, Func<NpgsqlConnection, Task> meet, PostgresCircuitBreaker gate, TimeProvider time)
{
    /// <summary>Takes the tables as statements that write do, and fails where the server takes no writes. Changes nothing.</summary>
    public const string LockTables =
        """
        do $$
        declare
            v_denied text;
        begin
            if current_setting('transaction_read_only')::boolean then
                raise exception 'transactions are read-only' using errcode = '25006';
            end if;
            select string_agg(t, ', ') into v_denied
            from unnest(array['controllers', 'drones', 'drone_counters', 'keys', 'backends', 'history', 'tokens', 'actions', 'changes', 'requests']) t
            where not (has_table_privilege('plane.' || t, 'select') and has_table_privilege('plane.' || t, 'insert')
                and has_table_privilege('plane.' || t, 'update') and has_table_privilege('plane.' || t, 'delete'));
            if v_denied is not null then
                raise exception 'permission denied for %', v_denied using errcode = '42501';
            end if;
            set local lock_timeout = '500ms';
            lock table plane.controllers, plane.drones, plane.drone_counters, plane.keys, plane.backends, plane.history, plane.tokens, plane.actions,
                plane.changes, plane.requests in row exclusive mode;
        end $$
        """;

    // As much as a connect writes, with its indexes, and more.
    private const int ProbeBytes = 64 * 1024;

    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(2);
    private Task<Exception?> _running = Task.FromResult<Exception?>(null);

    /// <summary>The settings of the probe's connections.</summary>
    /// <param name="connectionString">As <see cref="PostgresSource.Complete"/> made it.</param>
    public static string ConnectionString(string connectionString) =>
        new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, MaxAutoPrepare = 0, Timeout = 5, CommandTimeout = 5 }.ConnectionString;

    /// <summary>What keeps the database from serving connects, or null. One caller at a time.</summary>
    public async Task<StoreFault?> RunAsync(CancellationToken cancellationToken)
    {
        var asked = time.GetTimestamp();
        if (_running.IsCompleted)
        {
            // Not on the caller's thread: a server that hangs may hold the driver up.
            _running = Task.Run(FailureAsync, CancellationToken.None);
        }

        Exception? failure;
        try
        {
            // One that hangs is waited for again, so that no second one piles up behind it.
            failure = await _running.WaitAsync(s_limit, time, cancellationToken);
        }
        catch (TimeoutException e)
        {
            failure = e;
        }

        return failure switch
        {
            null => null,
            StoreFaultException known => known.Fault,

            // Others are served meanwhile: what takes long is this, or the server has no room for one more connection.
            _ when gate.HasSucceededSince(asked) => null,
            _ when PostgresErrors.Unforeseen(failure) is not null => throw new InvalidOperationException("the probe failed", failure),
            _ => new StoreFault(PostgresErrors.Reason(failure), IsTotal: true),
        };
    }

    /// <summary>What the probe failed with, as a value: one that was given up fails later, when no caller waits for it.</summary>
    private async Task<Exception?> FailureAsync()
    {
        try
        {
            await ProbeAsync();
            return null;
        }
        catch (Exception e)
        {
            return e;
        }
    }

    private async Task ProbeAsync()
    {
        await using var connection = await OpenAsync();
        try
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await ExecuteAsync(connection, LockTables);
            await ExecuteAsync(connection, string.Create(CultureInfo.InvariantCulture, $"insert into plane.probe (filler) values (repeat(md5(random()::text), {ProbeBytes / 32}))"));
            await transaction.RollbackAsync();
        }
        catch (PostgresException e) when (connection.FullState == System.Data.ConnectionState.Open)
        {
            // It answers, so what only reads may succeed. Whatever the error is: a connect would meet it too.
            var reason = e.SqlState == PostgresErrorCodes.LockNotAvailable ? await LockHolderAsync(connection) : PostgresErrors.Reason(e);
            throw new StoreFaultException(new StoreFault(reason, IsTotal: false));
        }
    }

    private async Task<NpgsqlConnection> OpenAsync()
    {
        try
        {
            var connection = await source.OpenConnectionAsync();
            try
            {
                await meet(connection);
                return connection;
            }
            catch
            {
                // It is not pooled: a standby, say, would get one more with each probe, for as long as it is one.
                await connection.DisposeAsync();
                throw;
            }
        }
        catch (PostgresException e) when (PostgresErrors.IsRefusal(e) || e.SqlState == PostgresErrorCodes.TooManyConnections)
        {
            // Statements continue over the connections that were let in before.
            return await pool.OpenConnectionAsync();
        }
    }

    private static async Task<string> LockHolderAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand(
            """
            select format('table plane.%1$s is locked by another session (pid %2$s%3$s, for %4$s s): end its transaction, or run select pg_terminate_backend(%2$s)',
                c.relname, a.pid, ', ' || nullif(a.application_name, ''), round(extract(epoch from clock_timestamp() - coalesce(a.xact_start, clock_timestamp()))))
            from pg_locks l join pg_class c on c.oid = l.relation join pg_stat_activity a on a.pid = l.pid
            where l.granted and c.relnamespace = 'plane'::regnamespace
                and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
            order by a.xact_start limit 1
            """,
            connection);
        return await command.ExecuteScalarAsync() as string ?? "a table of the schema plane was locked by another session";
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
#pragma warning disable CA2100 // Constants of this class.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
    }

#pragma warning disable CA1064 // It does not leave this class.
    private sealed class StoreFaultException(StoreFault fault) : Exception(fault.Reason)
    {
        public StoreFault Fault => fault;
    }
#pragma warning restore CA1064
}
