using Npgsql;

namespace Plane.Tests.Storage;

/// <summary>The suite on PostgreSQL, with two controllers' stores on one database.</summary>
public sealed class PostgresStoreTests : StoreSuite
{
    protected override async Task<IStoreHarness> OpenAsync() => await PostgresHarness.OpenAsync(Numbers);

    // Deadlocks are retried, but each costs its second: the order in which transactions lock is there to have none.
    protected override async Task CalmAsync()
    {
        foreach (var store in Harness.Stores)
        {
            await store.DisposeAsync();
        }

        await using var connection = new NpgsqlConnection(((PostgresHarness)Harness).Database.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("select deadlocks from pg_stat_database where datname = current_database()", connection);
        Assert.Equal(0L, await command.ExecuteScalarAsync());
    }
}
