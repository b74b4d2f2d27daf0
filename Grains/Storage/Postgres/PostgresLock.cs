using Microsoft.Extensions.Logging;
using Npgsql;

namespace Plane.Grains.Storage.Postgres;

/// <summary>
/// The advisory lock of an embedded silo. It belongs to a connection of its own: when that breaks the server gives the lock up, and <see cref="Lost"/> says so.
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
            LogLost(e);
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
            LogLost(e);
        }
    }

    [LoggerMessage(EventId = 2220, Level = LogLevel.Error, Message = "the connection that holds the lock on the database broke")]
    private partial void LogLost(Exception error);

    [LoggerMessage(EventId = 2221, Level = LogLevel.Debug, Message = "the lock on the database was released")]
    private partial void LogReleased();
}
