using System.Net;
using System.Net.Sockets;
using Npgsql;
using Plane.Chaos.Parts;
using Plane.Storage;
using Plane.Storage.Postgres;
using Plane.Testing;
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
        await using var store = new PostgresStore(connection.ConnectionString, new LeaseOptions(), log, TimeProvider.System);
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
            new LeaseOptions(),
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
            new LeaseOptions(),
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

    [Fact]
    public async Task What_the_driver_did_not_expect_costs_a_connection_and_leaves_the_outcome_unknown()
    {
        await using var server = await PostgresServer.StartAsync(output);
        await using var relay = new SpoilingRelay(server.Port);
        await using var store = new PostgresStore(
            new NpgsqlConnectionStringBuilder(server.AdminConnectionString) { Pooling = true, MaxPoolSize = 1, SslMode = SslMode.Disable, Host = "127.0.0.1", Port = relay.Port }.ConnectionString,
            new LeaseOptions(),
            new CollectingLogger(),
            TimeProvider.System);
        await store.InitializeAsync(default);
        relay.Spoil();
        var failure = await Assert.ThrowsAsync<StoreUnavailableException>(() => store.ReleaseChallengeAsync(ClusterName.Parse("example.com"), "nobody", default));

        // The driver has no exception of its own for it.
        Assert.IsNotType<NpgsqlException>(failure.InnerException, exactMatch: false);
        await store.PingAsync(default);
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

    /// <summary>Stands before the server, and can say on its behalf what nobody asked for: a row.</summary>
    private sealed class SpoilingRelay : IAsyncDisposable
    {
        // DataRow of no columns, and how the end of a statement that deleted nothing begins (PostgreSQL, Message Formats).
        private static readonly byte[] s_row = [(byte)'D', 0, 0, 0, 6, 0, 0];
        private static readonly byte[] s_deleted = [(byte)'C', 0, 0, 0, 13, .. "DELETE 0"u8];

        private readonly Acceptor _acceptor;
        private bool _spoils;

        public SpoilingRelay(int server)
        {
            Port = FreePort.Next();
            _acceptor = new Acceptor(new IPEndPoint(IPAddress.Loopback, Port), async (client, stop) =>
            {
                using var ours = new NetworkStream(client, ownsSocket: true);
                using var theirs = new TcpClient();
                await theirs.ConnectAsync(IPAddress.Loopback, server, stop);
                await Task.WhenAny(ours.CopyToAsync(theirs.GetStream(), stop), AnswerAsync(theirs.GetStream(), ours, stop));
            });
        }

        public int Port { get; }

        /// <summary>The next statement that deletes nothing returns a row.</summary>
        public void Spoil() => Volatile.Write(ref _spoils, true);

        public ValueTask DisposeAsync() => _acceptor.DisposeAsync();

        // A short answer comes in one piece.
        private async Task AnswerAsync(Stream server, Stream client, CancellationToken stop)
        {
            var buffer = new byte[64 * 1024];
            while (await server.ReadAsync(buffer, stop) is > 0 and var count)
            {
                var at = Volatile.Read(ref _spoils) ? buffer.AsSpan(0, count).IndexOf(s_deleted) : -1;
                if (at >= 0)
                {
                    Volatile.Write(ref _spoils, false);
                    await client.WriteAsync((byte[])[.. buffer.AsSpan(0, at), .. s_row, .. buffer.AsSpan(at, count - at)], stop);
                }
                else
                {
                    await client.WriteAsync(buffer.AsMemory(0, count), stop);
                }
            }
        }
    }
}
