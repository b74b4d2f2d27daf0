using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Plane.Hosting;

namespace Plane.Silo;

/// <summary>
/// What stands before a silo joins its cluster: its share in the database's lock, which keeps silos of the embedded engine and of other clusters away for as long
/// as it runs, and tables that hold what Orleans' clustering will ask for. It starts after the store and before the silo.
/// </summary>
internal sealed partial class SiloMembership(
    ISiloHold hold, SiloIdentity identity, string connectionString, string? script, HostExit exit, TimeProvider time, ILogger<SiloMembership> logger)
    : IHostedLifecycleService, IAsyncDisposable
{
    private const string Remedy = "start it with the others' --cluster-id, --service-id, --orleans-schema and engine, or on another database";

    private static readonly string[] s_queries =
    [
        "CleanupDefunctSiloEntriesKey", "DeleteMembershipTableEntriesKey", "GatewaysQueryKey", "InsertMembershipKey", "InsertMembershipVersionKey",
        "MembershipReadAllKey", "MembershipReadRowKey", "UpdateIAmAlivetimeKey", "UpdateMembershipKey",
    ];

    private readonly CancellationTokenSource _stop = new();
    private Task _watching = Task.CompletedTask;

    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        var attempt = await hold.TryTakeAsync(cancellationToken);
        if (attempt.HeldBy is { } holder)
        {
            throw new StartRefusedException($"the database is in use: {holder}; {Remedy}");
        }

        _watching = WatchAsync(attempt.Lost);
        await CheckTablesAsync(cancellationToken);
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // After the silo has left its cluster: no embedded one takes the database before.
    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await _watching;
        await hold.ReleaseAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await StoppedAsync(CancellationToken.None);
        _stop.Dispose();
    }

    // A share is lost with its connection, most often because the database restarts: every silo loses its own then, and takes it again.
    private async Task WatchAsync(CancellationToken lost)
    {
        try
        {
            while (true)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, time, lost).WaitAsync(_stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                _stop.Token.ThrowIfCancellationRequested();
                LogLost(logger);
                var attempt = await hold.TryTakeAsync(_stop.Token);
                if (attempt.HeldBy is { } holder)
                {
                    exit.Request(ExitCodes.Refused, $"the database was taken while the connection to it was broken: {holder}; {Remedy}");
                    return;
                }

                LogBack(logger);
                lost = attempt.Lost;
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            LogReleased(logger);
        }
    }

    private async Task CheckTablesAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = new NpgsqlConnection(connectionString);
            await connection.OpenAsync(cancellationToken);
            if (script is not null && await ReadAsync(connection, "select 1 where to_regclass('orleansquery') is not null", cancellationToken) is [])
            {
                await RunScriptAsync(connection, script, cancellationToken);
            }

            var found = await ReadAsync(connection, "select querykey from orleansquery", cancellationToken);
            var missing = s_queries.Except(found, StringComparer.Ordinal).ToArray();
            if (missing.Length > 0)
            {
                throw new StartRefusedException($"the membership tables lack the statements {string.Join(", ", missing)}: {Source}");
            }

            if (!await identity.IsLatestAsync(cancellationToken))
            {
                throw new StartRefusedException(
                    $"the membership knows a later run of this controller than {identity.SiloAddress}, and the database did not tell when this one began: start it again, and look at this machine's clock");
            }

            await ForgetTheFutureAsync(connection, cancellationToken);
        }
        catch (PostgresException e)
        {
            throw new StartRefusedException($"the membership tables cannot be used ({e.SqlState}): {e.MessageText}: {Source}", e);
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            throw new StartRefusedException($"the membership tables cannot be reached: {e.Message}", e);
        }
    }

    /// <summary>
    /// When each silo was alive last stands there by its own clock, and Orleans compares it with this one's. For one whose clock was ahead, and that is gone together with all others, a
    /// start would wait until that time has come. Who lives says so again within seconds.
    /// </summary>
    private async Task ForgetTheFutureAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(
            """
            update orleansmembershiptable set starttime = least(starttime, $2), iamalivetime = least(iamalivetime, $2)
            where deploymentid = $1 and greatest(starttime, iamalivetime) > $2
            """,
            connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = identity.ClusterId });
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = time.GetUtcNow().UtcDateTime });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private string Source => script is null ? "they belong to the schema \"plane\"; restore it from a backup" : $"they come from --orleans-schema {script}";

    private async Task RunScriptAsync(NpgsqlConnection connection, string file, CancellationToken cancellationToken)
    {
        string text;
        try
        {
            text = await File.ReadAllTextAsync(file, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartRefusedException($"--orleans-schema: {file} cannot be read: {e.Message}", e);
        }

        // Two controllers that start at once: one runs it, the other finds it done.
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await ReadAsync(connection, "select pg_advisory_xact_lock(1886151022, 5)::text", cancellationToken);
        if (await ReadAsync(connection, "select 1 where to_regclass('orleansquery') is not null", cancellationToken) is [])
        {
#pragma warning disable CA2100 // The operator's own script, on the operator's own database.
            await using var command = new NpgsqlCommand(text, connection) { AllResultTypesAreUnknown = true };
#pragma warning restore CA2100
            await command.ExecuteNonQueryAsync(cancellationToken);
            LogScript(logger, file);
        }

        await transaction.CommitAsync(cancellationToken);
    }

    private static async Task<List<string>> ReadAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
#pragma warning disable CA2100 // Constants above.
        await using var command = new NpgsqlCommand(sql, connection) { AllResultTypesAreUnknown = true };
#pragma warning restore CA2100
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<string>();
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add(reader.GetString(0));
        }

        return rows;
    }

    [LoggerMessage(7070, LogLevel.Warning, "the connection that holds this controller's share in the database broke; taking it again")]
    private static partial void LogLost(ILogger logger);

    [LoggerMessage(7071, LogLevel.Information, "this controller has its share in the database again")]
    private static partial void LogBack(ILogger logger);

    [LoggerMessage(7072, LogLevel.Information, "the membership tables were made by {File}")]
    private static partial void LogScript(ILogger logger, string file);

    [LoggerMessage(7073, LogLevel.Debug, "this controller gives up its share in the database")]
    private static partial void LogReleased(ILogger logger);
}
