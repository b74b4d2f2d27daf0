using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Plane.Storage.Postgres;
using Plane.Testing;
using static Plane.Tests.Storage.OneDrone;

namespace Plane.Tests.Storage;

/// <summary>Sessions of the store go from one statement to the next as they are: no reset is paid for, and none is needed.</summary>
public sealed class PostgresSessionTests : IAsyncLifetime
{
    private TestDatabase _database = null!;

    public async Task InitializeAsync() => _database = await (await PostgresServer.SharedAsync()).CreateDatabaseAsync();

    public async Task DisposeAsync() => await _database.DisposeAsync();

    [Fact]
    public async Task A_statement_is_one_transaction_of_the_server()
    {
        const int Statements = 200;
        await using var watcher = await DatabaseStatements.OpenAsync(_database);
        await using (var store = await OpenAsync())
        {
            for (var i = 0; i < Statements; i++)
            {
                await store.PingAsync(default);
            }
        }

        // A session tells its count when it ends. What the store does besides (schema, feed) is a few dozen.
        var commits = await Eventually.SeenAsync(
            async _ => (long)(await DatabaseStatements.ScalarAsync(watcher, "select xact_commit from pg_stat_database where datname = current_database()"))!, n => n >= Statements, "the server has counted");
        Assert.InRange(commits, Statements, Statements * 3 / 2);
    }

    [Fact]
    public async Task A_statement_that_breaks_off_leaves_its_session_without_locks()
    {
        await using var store = await OpenAsync();
        await RegisterAsync(store);
        await using var other = await DatabaseStatements.OpenAsync(_database);
        await DatabaseStatements.ScalarAsync(
            other,
            """
            create or replace function plane.next_fencing_token() returns bigint language plpgsql volatile as $$
            begin
                perform pg_advisory_lock(plane.lock_id('fencing_tokens'));
                raise exception 'broken off';
            end $$
            """);

        var error = await Assert.ThrowsAsync<PostgresException>(() => store.AcquireAsync(Request("room"), default));
        Assert.Equal("broken off", error.MessageText);
        Assert.Equal(true, await DatabaseStatements.ScalarAsync(other, "select pg_try_advisory_lock(plane.lock_id('fencing_tokens'))"));
    }

    private async Task<PostgresStore> OpenAsync()
    {
        var store = new PostgresStore(_database.ConnectionString, new LeaseOptions(), NullLoggerFactory.Instance, TimeProvider.System);
        await store.InitializeAsync(default);
        return store;
    }
}
