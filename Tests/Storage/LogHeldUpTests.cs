using Npgsql;
using Plane.Storage.Postgres;
using Plane.Testing;
using static Plane.Tests.Storage.OneDrone;

namespace Plane.Tests.Storage;

/// <summary>The change log is read below the oldest transaction that runs, of whatever database of the server.</summary>
public sealed class LogHeldUpTests
{
    [Fact]
    public async Task A_long_transaction_in_another_database_holds_the_log_up_and_the_controllers_log_says_so()
    {
        // A server of its own: the shared one's other tests would wait for the transaction too.
        await using var server = await PostgresServer.StartAsync();
        await using var database = await server.CreateDatabaseAsync();
        await using var other = await server.CreateDatabaseAsync();
        using var log = new CollectingLogger();
        await using var store = new PostgresStore(database.ConnectionString, new LeaseOptions(), log, TimeProvider.System);
        await store.InitializeAsync(default);
        await RegisterAsync(store);
        var at = await store.ReadLogEndAsync(default);
        await using var connection = new NpgsqlConnection(other.ConnectionString);
        await connection.OpenAsync();
        var transaction = await connection.BeginTransactionAsync();
        await using (var writes = new NpgsqlCommand("select pg_current_xact_id()", connection))
        {
            await writes.ExecuteNonQueryAsync();
        }

        await store.AcquireAsync(Request("room"), default);
        await Eventually.SeenAsync(
            async _ => (Page: await store.ReadLogAsync(at, 10, default), log.Lines),
            seen => seen.Page.Changes.Length == 0 && seen.Lines.Any(l => l.StartsWith("Warning 2233 ", StringComparison.Ordinal)),
            "the log says what holds the changes up");

        await transaction.CommitAsync();
        await Eventually.SeenAsync(async _ => (await store.ReadLogAsync(at, 10, default)).Changes, c => c.Length > 0, "the changes come when it has ended");
        Assert.Contains(log.Lines, l => l.StartsWith("Information 2234 ", StringComparison.Ordinal));
    }
}
