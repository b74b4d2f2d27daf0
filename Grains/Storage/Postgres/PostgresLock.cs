using Microsoft.Extensions.Logging;
using Npgsql;

namespace Plane.Grains.Storage.Postgres;

/// <summary>
/// The advisory lock of an embedded silo, or the share in it of a silo that is one of several. It belongs to a connection of its own: when that breaks the server gives the lock up, and <see cref="Lost"/> says so.
/// </summary>
internal sealed partial class PostgresLock : IStoreLock
{
    private readonly NpgsqlConnection _connection;
    private readonly CancellationTokenSource _lost = new();
    private readonly CancellationTokenSource _released = new();
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly Task _watching;

    private PostgresLock(NpgsqlConnection connection, TimeProvider time, ILogger logger)
    {
        _connection = connection;
        _time = time;
        _logger = logger;
        _watching = WatchAsync();
    }

    public CancellationToken Lost => _lost.Token;

    public static async Task<StoreLockResult> TryTakeAsync(
        NpgsqlConnection connection, string holder, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        var kept = false;
        try
        {
            await connection.OpenAsync(cancellationToken);
            await using var take = new NpgsqlCommand("select pg_try_advisory_lock(1886151022, 3)", connection);
            if ((bool)(await take.ExecuteScalarAsync(cancellationToken))!)
            {
                await using var tell = new NpgsqlCommand("update plane.installation set lock_holder = $1", connection) { Parameters = { Sql.Text(holder) } };
                await tell.ExecuteNonQueryAsync(cancellationToken);
                kept = true;
                return new StoreLockResult(new PostgresLock(connection, time, logger), null);
            }

            await using var ask = new NpgsqlCommand("select lock_holder from plane.installation", connection);
            return new StoreLockResult(null, (string)(await ask.ExecuteScalarAsync(cancellationToken))!);
        }
        finally
        {
            if (!kept)
            {
                await connection.DisposeAsync();
            }
        }
    }

    /// <summary>
    /// Takes the lock as one of several. One joins at a time, by a second lock that is given back: whoever finds the first one free may say which cluster it is.
    /// </summary>
    public static async Task<StoreLockResult> TryJoinAsync(
        NpgsqlConnection connection, (string Id, string Service) cluster, string holder, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        var kept = false;
        try
        {
            await connection.OpenAsync(cancellationToken);
            await RunAsync<object>("select pg_advisory_lock(1886151022, 4)");
            if (await RunAsync<bool>("select pg_try_advisory_lock(1886151022, 3)"))
            {
                await RunAsync<object>(
                    """
                    insert into plane.orleans_cluster (cluster_id, service_id) values ($1, $2)
                    on conflict (single) do update set cluster_id = excluded.cluster_id, service_id = excluded.service_id
                    """,
                    cluster.Id,
                    cluster.Service);
                await RunAsync<object>("select pg_advisory_lock_shared(1886151022, 3)");
                await RunAsync<object>("select pg_advisory_unlock(1886151022, 3)");
            }
            else if (!await RunAsync<bool>("select pg_try_advisory_lock_shared(1886151022, 3)"))
            {
                return new StoreLockResult(null, "a controller of the embedded engine has it: " + await RunAsync<string>("select lock_holder from plane.installation"));
            }
            else if (await RunAsync<string?>("select format('%L (service %L)', cluster_id, service_id) from plane.orleans_cluster where (cluster_id, service_id) <> ($1, $2)", cluster.Id, cluster.Service)
                is { } other)
            {
                return new StoreLockResult(null, $"controllers of the cluster {other} have it, and this one is of '{cluster.Id}' (service '{cluster.Service}')");
            }

            await RunAsync<object>("update plane.installation set lock_holder = $1", holder);
            await RunAsync<object>("select pg_advisory_unlock(1886151022, 4)");
            kept = true;
            return new StoreLockResult(new PostgresLock(connection, time, logger), null);
        }
        finally
        {
            // With the connection go all of its locks.
            if (!kept)
            {
                await connection.DisposeAsync();
            }
        }

        async Task<T?> RunAsync<T>(string sql, params string[] values)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            foreach (var value in values)
            {
                command.Parameters.Add(Sql.Text(value));
            }

            return (T?)await command.ExecuteScalarAsync(cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _released.CancelAsync();
        await _watching;
        _released.Dispose();
        _lost.Dispose();
    }

    private async Task WatchAsync()
    {
        try
        {
            // Returns when the connection breaks; the driver's keep-alive finds a silent peer. Nothing is ever notified here.
            while (true)
            {
                await _connection.WaitAsync(_released.Token);
            }
        }
        catch (OperationCanceledException) when (_released.IsCancellationRequested)
        {
            LogReleased();
        }
        catch (Exception e)
        {
            LogLost(PostgresErrors.Told(e), PostgresErrors.Unforeseen(e));
            await _lost.CancelAsync();
        }
        finally
        {
            await CloseAsync();
        }
    }

    private async Task CloseAsync()
    {
        try
        {
            await _connection.CloseAsync().WaitAsync(TimeSpan.FromSeconds(5), _time);
            await _connection.DisposeAsync();
        }
        catch (Exception e) when (PostgresErrors.IsUnavailable(e))
        {
            LogLost(PostgresErrors.Told(e), PostgresErrors.Unforeseen(e));
        }
    }

    [LoggerMessage(EventId = 2220, Level = LogLevel.Error, Message = "the connection that holds the lock on the database broke: {Reason}")]
    private partial void LogLost(string reason, Exception? error);

    [LoggerMessage(EventId = 2221, Level = LogLevel.Debug, Message = "the lock on the database was released")]
    private partial void LogReleased();
}
