using Microsoft.Extensions.Logging;
using Npgsql;

namespace Plane.Grains.Storage.Postgres;

/// <summary>
/// The store on PostgreSQL 14 and later. Every member is one round trip: a statement, or a function where several statements make one transaction
/// (<c>Migrations/0002_decisions.sql</c>). Statements are prepared automatically, once per connection.
/// <para>
/// Every transaction locks in one order: drones, backends (by id), keys (by backend id), actions, counters (by drone). A deadlock or a serialisation failure
/// that happens all the same is repeated here with growing, jittered pauses.
/// </para>
/// </summary>
internal sealed partial class PostgresStore : IPlaneStore
{
    private const int MaxAttempts = 6;

    private readonly NpgsqlDataSource _source;
    private readonly string _connectionString;
    private readonly LeaseNumbers _numbers;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly PostgresFeed _feed;
    private string? _installationId;
    private bool _disposed;

    public PostgresStore(string connectionString, LeaseNumbers numbers, ILoggerFactory loggers, TimeProvider time)
    {
        _numbers = numbers;
        _time = time;
        _logger = loggers.CreateLogger<PostgresStore>();
        _connectionString = Complete(connectionString);
        _source = NpgsqlDataSource.Create(_connectionString);
        _feed = new PostgresFeed(_source, DedicatedConnection, time, _logger);
    }

    public string InstallationId => _installationId ?? throw new InvalidOperationException("the store is not initialised");

    public async Task InitializeAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await _source.OpenConnectionAsync(cancellationToken);
            _installationId = await new PostgresMigrator(connection, _logger).RunAsync(cancellationToken);
        }
        catch (Exception e) when (PostgresErrors.IsUnavailable(e))
        {
            throw PostgresErrors.Unavailable(e);
        }
        catch (PostgresException e)
        {
            // A right that is missing, a schema that is another's: nothing that goes away by asking again.
            throw new StoreRefusedException($"the database refused its schema ({e.SqlState}): {e.MessageText}", e);
        }

        _feed.Start();
    }

    public async Task PingAsync(CancellationToken cancellationToken) => await ScalarAsync<int>("select 1", cancellationToken);

    public Task<StoreLockResult> TryLockAsync(string holder, CancellationToken cancellationToken) =>
        LockAsync(() => PostgresLock.TryTakeAsync(DedicatedConnection(), StoreText.Clean(holder, 300), _time, _logger, cancellationToken));

    public Task<StoreLockResult> TryJoinAsync(string clusterId, string serviceId, string holder, CancellationToken cancellationToken) =>
        LockAsync(() => PostgresLock.TryJoinAsync(
            DedicatedConnection(), (StoreText.Clean(clusterId, 300), StoreText.Clean(serviceId, 300)), StoreText.Clean(holder, 300), _time, _logger, cancellationToken));

    private static async Task<StoreLockResult> LockAsync(Func<Task<StoreLockResult>> take)
    {
        try
        {
            return await take();
        }
        catch (Exception e) when (PostgresErrors.IsUnavailable(e))
        {
            throw PostgresErrors.Unavailable(e);
        }
    }

    public Task HeartbeatControllerAsync(ControllerName controller, string version, string hash, CancellationToken cancellationToken) => ExecuteAsync(
        """
        insert into plane.controllers (id, version, hash, heartbeat_at) values ($1, $2, $3, now())
        on conflict (id) do update set version = excluded.version, hash = excluded.hash, heartbeat_at = excluded.heartbeat_at
        """,
        cancellationToken,
        Sql.Text(controller.Value),
        Sql.Text(StoreText.Clean(version, 255)),
        Sql.Text(StoreText.Clean(hash, 255)));

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return;
        }

        await _feed.DisposeAsync();
        await _source.DisposeAsync();
    }

    /// <summary>What an operator did not decide: prepared statements, and time-outs short enough for callers that ask again.</summary>
    internal static string Complete(string connectionString)
    {
        var builder = new NpgsqlConnectionStringBuilder(connectionString);
        var given = new HashSet<string>(builder.Keys.Cast<string>(), StringComparer.OrdinalIgnoreCase);
        if (!given.Contains("Max Auto Prepare"))
        {
            builder.MaxAutoPrepare = 100;
            builder.AutoPrepareMinUsages = 2;
        }

        if (!given.Contains("Timeout"))
        {
            builder.Timeout = 5;
        }

        if (!given.Contains("Command Timeout"))
        {
            builder.CommandTimeout = 10;
        }

        if (!given.Contains("Maximum Pool Size"))
        {
            // More would only queue in the server: PostgreSQL's own default is 100 connections for everybody.
            builder.MaxPoolSize = 40;
        }

        if (!given.Contains("Application Name"))
        {
            builder.ApplicationName = "plane";
        }

        if (builder.Host!.Contains(',', StringComparison.Ordinal) && !given.Contains("Target Session Attributes"))
        {
            // Of several servers the one that takes writes.
            builder.TargetSessionAttributes = "primary";
        }

        // PostgreSQL's text is UTF-8 here whatever the environment says.
        builder.ClientEncoding = "UTF8";
        return builder.ConnectionString;
    }

    /// <summary>A connection outside the pool, for what is held by a connection: the lock and the listener. Notices a dead peer within seconds.</summary>
    private NpgsqlConnection DedicatedConnection() =>
        new(new NpgsqlConnectionStringBuilder(_connectionString) { Pooling = false, KeepAlive = 5, MaxAutoPrepare = 0 }.ConnectionString);

    private Task<int> ExecuteAsync(string sql, CancellationToken cancellationToken, params NpgsqlParameter[] parameters) =>
        RunAsync(sql, static (command, token) => command.ExecuteNonQueryAsync(token), parameters, cancellationToken);

    private Task<T> ScalarAsync<T>(string sql, CancellationToken cancellationToken, params NpgsqlParameter[] parameters) =>
        RunAsync(
            sql,
            static async (command, token) => await command.ExecuteScalarAsync(token) is T value ? value : default!,
            parameters,
            cancellationToken);

    private Task<List<T>> QueryAsync<T>(
        string sql, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken, params NpgsqlParameter[] parameters) =>
        RunAsync(
            sql,
            async (command, token) =>
            {
                var rows = new List<T>();
                await using var reader = await command.ExecuteReaderAsync(token);
                while (await reader.ReadAsync(token))
                {
                    rows.Add(read(reader));
                }

                return rows;
            },
            parameters,
            cancellationToken);

    private async Task<T> RunAsync<T>(
        string sql, Func<NpgsqlCommand, CancellationToken, Task<T>> run, NpgsqlParameter[] parameters, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await using var command = _source.CreateCommand(sql);
                foreach (var parameter in parameters)
                {
                    command.Parameters.Add(parameter);
                }

                try
                {
                    return await run(command, cancellationToken);
                }
                finally
                {
                    // They belong to one command at a time.
                    command.Parameters.Clear();
                }
            }
            catch (Exception e) when (PostgresErrors.IsRetriable(e) && attempt < MaxAttempts)
            {
                LogRetry(((PostgresException)e).SqlState, attempt);
                await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(1, 5 << attempt)), _time, cancellationToken);
            }
            catch (Exception e) when (PostgresErrors.IsUnavailable(e))
            {
                cancellationToken.ThrowIfCancellationRequested();
                throw PostgresErrors.Unavailable(e);
            }
        }
    }

    [LoggerMessage(EventId = 2201, Level = LogLevel.Debug, Message = "the database rolled a transaction back ({SqlState}); attempt {Attempt} is repeated")]
    private partial void LogRetry(string sqlState, int attempt);
}
