using System.Diagnostics.CodeAnalysis;
using System.Net;
using Microsoft.Extensions.Logging;
using Npgsql;
using Polly;

namespace Plane.Storage.Postgres;

/// <summary>
/// The store on PostgreSQL 14 and later. Every member is one round trip: a statement, or a function where several statements make one transaction
/// (<c>Functions/</c>). Statements are prepared automatically, once per connection.
/// <para>
/// Every transaction locks in one order: drones, backends (by id), keys (by backend id), actions, counters (by drone). A deadlock or a serialisation failure
/// that happens anyway is repeated here with growing, jittered pauses.
/// </para>
/// </summary>
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "IStore.DisposeAsync says why it is not an IAsyncDisposable.")]
internal sealed partial class PostgresStore : IPlaneStore
{
    private const int MaxRepeats = 5;

    private readonly PostgresSource _pool;
    private readonly PostgresSource _dedicated;
    private readonly PostgresSource _probes;
    private readonly StoreOutage _outage;
    private readonly PostgresCircuitBreaker _gate;
    private readonly ResiliencePipeline _retries;
    private readonly PostgresProbe _probe;
    private readonly LeaseOptions _numbers;
    private readonly ILogger _logger;
    private readonly PostgresFeed _feed;
    private readonly UnreadableRows _unreadable;
    private readonly PostgresClock _clock;
    private string? _installationId;
    private bool _disposed;

    /// <param name="connectionString">Of the database.</param>
    /// <param name="numbers">The times of a lease.</param>
    /// <param name="loggers">Where to log.</param>
    /// <param name="time">For waits and retries.</param>
    /// <param name="wall">This machine's wall clock, which is compared with the server's.</param>
    public PostgresStore(string connectionString, LeaseOptions numbers, ILoggerFactory loggers, TimeProvider time, TimeProvider? wall = null)
    {
        _numbers = numbers;
        _logger = loggers.CreateLogger<PostgresStore>();
        _unreadable = new UnreadableRows(_logger);
        _clock = new PostgresClock(wall ?? TimeProvider.System, time, _logger);
        var complete = PostgresSource.Complete(connectionString);
        _pool = new PostgresSource(complete, MeetAsync);
        _dedicated = new PostgresSource(
            new NpgsqlConnectionStringBuilder(complete) { Pooling = false, KeepAlive = 5, MaxAutoPrepare = 0 }.ConnectionString);
        _probes = new PostgresSource(PostgresProbe.ConnectionString(complete));
        _outage = new StoreOutage(c => _probe!.RunAsync(c), time, _logger, RefuseWaiting);
        _gate = new PostgresCircuitBreaker(_outage, time);
        _retries = Retries.UpTo(
            MaxRepeats, TimeSpan.FromMilliseconds(5), time, PostgresErrors.IsRetriable, (e, attempt) => LogRetry((e as PostgresException)?.SqlState ?? "", attempt));
        _probe = new PostgresProbe(_probes.Source, _pool.Source, MeetAsync, _gate, time);
        _feed = new PostgresFeed(_pool.Source, _dedicated.Source.CreateConnection, _outage, time, _logger);
    }

    public string InstallationId => _installationId ?? throw new InvalidOperationException("the store is not initialised");

    public long UnreadableRows => _unreadable.Count;

    public async Task InitializeAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await _dedicated.Source.OpenConnectionAsync(cancellationToken);
            _installationId = await new PostgresMigrator(connection, _logger).RunAsync(cancellationToken);
            await MeetAsync(connection);
        }
        catch (Exception e) when (PostgresErrors.IsUnavailable(e) && !(e is PostgresException p && PostgresErrors.IsIncomplete(p)))
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

    public StoreFault? Outage => _outage.Current;

    public bool Answers => _outage.Current is not { IsTotal: true } && !_gate.IsSilent;

    public string? ClockProblem => _clock.Problem;

    public async Task PingAsync(CancellationToken cancellationToken)
    {
        _outage.ThrowIfUnavailable();
        await ExecuteAsync(PostgresProbe.LockTables, cancellationToken);
    }

    public async Task<PinnedCluster> PinClusterAsync(string clusterId, string serviceId, IPEndPoint silo, CancellationToken cancellationToken) => (await QueryAsync(
        "select cluster_id, service_id, now from plane.pin_cluster($1, $2, $3, $4)",
        static r => new PinnedCluster(r.GetString(0), r.GetString(1), new DateTimeOffset(r.GetDateTime(2))),
        cancellationToken,
        Sql.Text(StoreText.Clean(clusterId, 300)),
        Sql.Text(StoreText.Clean(serviceId, 300)),
        Sql.Text(silo.Address.ToString()),
        Sql.Int(silo.Port)))[0];

    public Task<DateTimeOffset> HeartbeatControllerAsync(ControllerName controller, string version, string hash, CancellationToken cancellationToken) =>
        _clock.ReadAsync(async () => new DateTimeOffset(await ScalarAsync<DateTime>(
            "select plane.heartbeat($1, $2, $3, $4)",
            cancellationToken,
            Sql.Text(controller.Value),
            Sql.Text(StoreText.Clean(version, 255)),
            Sql.Text(StoreText.Clean(hash, 255)),
            Sql.Span(_numbers.ProxySilent))));

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return;
        }

        await _feed.DisposeAsync();
        await _outage.DisposeAsync();
        await _pool.DisposeAsync();
        await _probes.DisposeAsync();
        await _dedicated.DisposeAsync();
        _gate.Dispose();
    }

    /// <summary>
    /// A connection was opened, perhaps to another server than the last: is it the one that the keys were acquired on (docs/guarantees.md, "Failover")? Each
    /// acquisition asks the same; here it is found out at once, and keys are held off from the earliest moment.
    /// </summary>
    private async Task MeetAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand("select changed, held_for, current_setting('fsync') from plane.meet_server($1)", connection)
        {
            Parameters = { Sql.Span(_numbers.Expiry) },
        };
        try
        {
            await using var reader = await command.ExecuteReaderAsync();
            await reader.ReadAsync();
            if (reader.GetBoolean(0))
            {
                LogOtherServer(reader.GetTimeSpan(1));
            }

            if (reader.GetString(2) == "off")
            {
                throw new StoreUnavailableException("the database's server runs with fsync = off, and would lose what was acknowledged: set fsync = on");
            }
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ObjectNotInPrerequisiteState)
        {
            throw new StoreUnavailableException("the database's server is a standby, which takes no writes: name the primary in --db, or promote it", e);
        }
    }

    private void RefuseWaiting(StoreFault fault)
    {
        if (fault.IsTotal)
        {
            _gate.RefuseWaiting(fault.Reason);
        }
    }

    private Task<int> ExecuteAsync(string sql, CancellationToken cancellationToken, params NpgsqlParameter[] parameters) =>
        RunAsync(sql, static command => command.ExecuteNonQueryAsync(), parameters, cancellationToken);

    private Task<T> ScalarAsync<T>(string sql, CancellationToken cancellationToken, params NpgsqlParameter[] parameters) =>
        RunAsync(sql, static async command => await command.ExecuteScalarAsync() is T value ? value : default!, parameters, cancellationToken);

    // A row that can't be read is left out.
    private Task<List<T>> QueryAsync<T>(
        string sql, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken, params NpgsqlParameter[] parameters) =>
        RunAsync(
            sql,
            async command =>
            {
                var rows = new List<T>();
                await using var reader = await command.ExecuteReaderAsync();
                while (await reader.ReadAsync())
                {
                    if (_unreadable.TryRead(reader, read, out var row))
                    {
                        rows.Add(row);
                    }
                }

                return rows;
            },
            parameters,
            cancellationToken);

    private async Task<T> RunAsync<T>(
        string sql, Func<NpgsqlCommand, Task<T>> run, NpgsqlParameter[] parameters, CancellationToken cancellationToken)
    {
        try
        {
            return await _retries.ExecuteAsync(
                static async (s, c) => await s.Store.AttemptAsync(s.Sql, s.Run, s.Parameters, c),
                (Store: this, Sql: sql, Run: run, Parameters: parameters),
                cancellationToken);
        }
        catch (Exception e) when (e is not StoreUnavailableException && PostgresErrors.IsUnavailable(e))
        {
            _outage.Suspect(PostgresErrors.FaultOf(e));
            throw PostgresErrors.Unavailable(e);
        }
    }

    private async Task<T> AttemptAsync<T>(
        string sql, Func<NpgsqlCommand, Task<T>> run, NpgsqlParameter[] parameters, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var permit = _gate.Enter();
        var running = RunOnceAsync(permit, sql, run, parameters, cancellationToken);
        try
        {
            // Who gives up leaves at once, and the statement continues to its end or its time-out: the driver cancels a statement by a connection of its own,
            // opened by the very thread that cancels, which a server that hangs would hold up.
            if (!running.IsCompleted && await Task.WhenAny(running, permit.Stalled).WaitAsync(cancellationToken) != running)
            {
                Abandon(running);
                throw new StoreUnavailableException(await permit.Stalled);
            }

            return await running;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            Abandon(running);
            throw;
        }
        catch (StoreUnavailableException)
        {
            _outage.Suspect();
            throw;
        }
    }

    /// <summary>
    /// Frees the session of locks that a statement left when it broke off: connections go to their next user as they are, and a lock that one kept would hold
    /// up everybody's fencing tokens. The function that takes such a lock frees it itself however it ends; this is for the moment between the two.
    /// </summary>
    private async Task UnlockAllAsync(NpgsqlConnection connection)
    {
        if (connection.FullState != System.Data.ConnectionState.Open)
        {
            // Broken: the server has ended the session, or will.
            return;
        }

        try
        {
            await using var command = new NpgsqlCommand("select pg_advisory_unlock_all()", connection);
            await command.ExecuteNonQueryAsync();
        }
        catch (NpgsqlException e)
        {
            // Not known to be free: the session ends with its connection, which is not used again. The caller hears of its own failure.
            var reason = PostgresErrors.Reason(e);
            LogSessionDropped(reason);
            NpgsqlConnection.ClearPool(connection);
        }
    }

    // Whatever becomes of it is reported to the gate, and to no caller.
    private static void Abandon(Task running) =>
        _ = running.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);

    private async Task<T> RunOnceAsync<T>(
        PostgresCircuitBreaker.Permit permit, string sql, Func<NpgsqlCommand, Task<T>> run, NpgsqlParameter[] parameters, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await _pool.Source.OpenConnectionAsync(cancellationToken);
#pragma warning disable CA2100 // Constants of this class, with positional parameters.
            await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
            foreach (var parameter in parameters)
            {
                command.Parameters.Add(parameter);
            }

            try
            {
                var result = await run(command);
                permit.Answered();
                return result;
            }
            catch (NpgsqlException)
            {
                await UnlockAllAsync(connection);
                throw;
            }
            catch (Exception e) when (e is not OperationCanceledException && connection.FullState != System.Data.ConnectionState.Open)
            {
                // The driver read what it did not expect and gave the connection up. Seen of one whose statement was cancelled, late, between being prepared and
                // being described: its next use is answered by rows of which the driver knows nothing. Another connection will do.
                throw new StoreUnavailableException($"a connection to the database was given up: {e.Message}", e);
            }
            finally
            {
                // They belong to one command at a time.
                command.Parameters.Clear();
            }
        }
        catch (Exception e)
        {
            // An error that came over an open session is an answer.
            if (e is PostgresException && !PostgresErrors.IsRefusal(e) && e is not PostgresException { SqlState: PostgresErrorCodes.TooManyConnections or ['5', '7', 'P', ..] }
                || !PostgresErrors.IsUnavailable(e) && e is not OperationCanceledException)
            {
                permit.Answered();
            }
            else
            {
                permit.Left();
            }

            throw;
        }
    }

    [LoggerMessage(
        EventId = EventIds.PostgresStoreOtherServer,
        Level = LogLevel.Warning,
        Message = "the database is another server, or was promoted: what the old one acknowledged last may be missing; no key is acquired for {HeldFor}")]
    private partial void LogOtherServer(TimeSpan heldFor);

    [LoggerMessage(EventId = EventIds.PostgresStoreSessionDropped, Level = LogLevel.Debug, Message = "a session could not be freed of what a failed statement left; its connections are opened again: {Reason}")]
    private partial void LogSessionDropped(string reason);

    [LoggerMessage(EventId = EventIds.PostgresStoreRetry, Level = LogLevel.Debug, Message = "the database rolled a transaction back ({SqlState}); attempt {Attempt} is repeated")]
    private partial void LogRetry(string sqlState, int attempt);
}
