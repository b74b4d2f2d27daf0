using Npgsql;
using Plane.Grains.Storage;
using Plane.Grains.Storage.Postgres;
using Plane.Tests.Support;
using Xunit.Abstractions;

namespace Plane.Tests.Storage;

/// <summary>A server that hangs: it keeps its connections, takes new ones, and answers nothing.</summary>
public sealed class AwayTests(ITestOutputHelper output)
{
    private const int Pool = 8;

    [Fact]
    public async Task Callers_of_a_server_that_hangs_are_told_at_once_hold_no_threads_and_are_served_when_it_goes_on()
    {
        await using var server = await PostgresServer.StartAsync(output);
        var log = new CollectingLogger();

        // Without TLS nothing of the driver's waits for an answer that has a limit of its own.
        var connection = new NpgsqlConnectionStringBuilder(server.AdminConnectionString)
        {
            Pooling = true,
            MaxPoolSize = Pool,
            SslMode = SslMode.Disable,
            Timeout = 5,
            CommandTimeout = 2,
        };
        await using var store = new PostgresStore(connection.ConnectionString, new LeaseNumbers(), log, TimeProvider.System);
        await store.InitializeAsync(default);
        await Task.WhenAll(Enumerable.Range(0, 2 * Pool).Select(_ => store.PingAsync(default)));
        var threads = ThreadPool.ThreadCount;
        server.Pause();
        var paused = TimeProvider.System.GetTimestamp();
        try
        {
            // Callers come and go, each with its own patience, as calls of grains do.
            var stuck = Enumerable.Range(0, 100).Select(_ => AskAsync(store, TimeSpan.FromSeconds(1))).ToArray();
            Assert.All(await Eventually.EndsAsync(Task.WhenAll(stuck), "callers leave when they want to"), a => Assert.Equal("left", a));

            await Eventually.SeenAsync(
                _ => AskAsync(store, TimeSpan.FromSeconds(1)), a => a == "away", "whoever comes later is refused");
            Assert.Contains(log.Lines, l => l.StartsWith("Warning 2240", StringComparison.Ordinal));

            // Every connection's statement is given up by now, one way or another.
            await Eventually.SeenAsync(_ => Task.FromResult(TimeProvider.System.GetElapsedTime(paused)), t => t > TimeSpan.FromSeconds(4), "the time-outs are over");

            // Refused at once: a thousand of them are gone before one time-out is over. And nothing has piled up.
            var refused = await Task.WhenAll(Enumerable.Range(0, 1_000).Select(_ => AskAsync(store, TimeSpan.FromMinutes(1))));
            Assert.True(refused.Count(a => a == "away") >= 999, $"{refused.Count(a => a == "away")} of 1000 were refused");
            Assert.True(ThreadPool.ThreadCount <= threads + Pool + 8, $"{ThreadPool.ThreadCount} threads, {threads} before");
            Assert.True(ThreadPool.PendingWorkItemCount < 100, $"{ThreadPool.PendingWorkItemCount} work items wait for a thread");
        }
        finally
        {
            server.Resume();
        }

        await Eventually.SeenAsync(_ => AskAsync(store, TimeSpan.FromSeconds(5)), a => a == "answered", "served again");
        Assert.All(
            await Task.WhenAll(Enumerable.Range(0, 2 * Pool).Select(_ => AskAsync(store, TimeSpan.FromSeconds(20)))), a => Assert.Equal("answered", a));
        Assert.Contains(log.Lines, l => l.StartsWith("Information 2241", StringComparison.Ordinal));
        var connections = (long)(await server.ScalarAsync("select count(*) from pg_stat_activity where application_name = 'plane'"))!;
        Assert.True(connections <= Pool + 2, $"{connections} connections: the pool's, the listener's, and none left over");
    }

    [Fact]
    public async Task Who_waits_for_a_server_that_hangs_is_told_long_before_a_time_out()
    {
        await using var server = await PostgresServer.StartAsync(output);
        await using var store = new PostgresStore(
            new NpgsqlConnectionStringBuilder(server.AdminConnectionString) { Pooling = true, CommandTimeout = 120, Timeout = 120 }.ConnectionString,
            new LeaseNumbers(),
            new CollectingLogger(),
            TimeProvider.System);
        await store.InitializeAsync(default);
        await store.PingAsync(default);
        server.Pause();
        try
        {
            var waiting = Task.WhenAll(Enumerable.Range(0, 50).Select(_ => AskAsync(store, TimeSpan.FromMinutes(5))));
            Assert.All(await Eventually.EndsAsync(waiting, "all are told"), a => Assert.Equal("away", a));
        }
        finally
        {
            server.Resume();
        }

        await Eventually.SeenAsync(_ => AskAsync(store, TimeSpan.FromSeconds(5)), a => a == "answered", "served again");
    }

    [Fact]
    public async Task One_statement_that_takes_too_long_is_no_outage()
    {
        await using var server = await PostgresServer.StartAsync(output);
        var log = new CollectingLogger();
        await using var store = new PostgresStore(
            new NpgsqlConnectionStringBuilder(server.AdminConnectionString) { Pooling = true, CommandTimeout = 1 }.ConnectionString,
            new LeaseNumbers(),
            log,
            TimeProvider.System);
        await store.InitializeAsync(default);
        await using var blocker = new NpgsqlConnection(server.AdminConnectionString);
        await blocker.OpenAsync();
        await using var transaction = await blocker.BeginTransactionAsync();
        await using (var hold = new NpgsqlCommand("lock table plane.txt_values", blocker))
        {
            await hold.ExecuteNonQueryAsync();
        }

        var blocked = store.ReadTxtAsync(ClusterName.Parse("example.com"), default);
        while (!blocked.IsCompleted)
        {
            await store.PingAsync(default);
        }

        await Assert.ThrowsAsync<StoreUnavailableException>(() => blocked);
        await store.PingAsync(default);
        Assert.DoesNotContain(log.Lines, l => l.StartsWith("Warning 2240", StringComparison.Ordinal));
    }

    private static async Task<string> AskAsync(PostgresStore store, TimeSpan patience)
    {
        using var limit = new CancellationTokenSource(patience, TimeProvider.System);
        try
        {
            await store.PingAsync(limit.Token);
            return "answered";
        }
        catch (StoreUnavailableException)
        {
            return "away";
        }
        catch (OperationCanceledException)
        {
            return "left";
        }
    }
}
