using Npgsql;
using Plane.Storage;
using Plane.Storage.Postgres;
using Plane.Testing;
using static Plane.Tests.Storage.OneDrone;

namespace Plane.Tests.Storage;

/// <summary>A server that answers, and with which a controller can do nothing anyway.</summary>
public sealed class PostgresOutageTests : IAsyncLifetime, IDisposable
{
    // PostgreSQL says of an error of the disk that it was one (58030), and of a quota that it was an internal error (XX000).
    private const string Failing = "create trigger fail before insert on plane.keys execute function plane.fail(); create trigger fail before insert on plane.probe execute function plane.fail()";
    private const string Mended = "drop function plane.fail() cascade";

    private readonly CollectingLogger _log = new();
    private readonly string _role = "r" + Guid.NewGuid().ToString("N");
    private TestDatabase _database = null!;
    private PostgresStore _store = null!;

    private int Begun => _log.Lines.Count(l => l.StartsWith("Warning 2240", StringComparison.Ordinal));

    private int Ended => _log.Lines.Count(l => l.StartsWith("Information 2241", StringComparison.Ordinal));

    public async Task InitializeAsync()
    {
        _database = await (await PostgresServer.SharedAsync()).CreateDatabaseAsync();
        await AdminAsync($"create role {_role} login");
        await AdminAsync($"grant all on database \"{new NpgsqlConnectionStringBuilder(_database.ConnectionString).Database}\" to {_role}");
        await AdminAsync("grant execute on all functions in schema pg_catalog to public");
        var connection = new NpgsqlConnectionStringBuilder(_database.ConnectionString) { Username = _role, Pooling = true };
        _store = new PostgresStore(connection.ConnectionString, new LeaseOptions(), _log, TimeProvider.System);
        await _store.InitializeAsync(default);
        await RegisterAsync(_store);
    }

    public void Dispose() => _log.Dispose();

    public async Task DisposeAsync()
    {
        await _store.DisposeAsync();
        await AdminAsync($"alter role {_role} nologin");
        await AdminAsync($"drop owned by {_role} cascade");
        await _database.DisposeAsync();
        await using var connection = new NpgsqlConnection((await PostgresServer.SharedAsync()).AdminConnectionString);
        await connection.OpenAsync();
        await using var drop = new NpgsqlCommand($"drop role {_role}", connection);
        await drop.ExecuteNonQueryAsync();
    }

    [Theory]
    [InlineData("alter role {0} set default_transaction_read_only = on", "alter role {0} reset default_transaction_read_only", "the database is read-only")]
    [InlineData("alter role {0} connection limit 0", "alter role {0} connection limit -1", "has no connection to spare")]
    [InlineData("alter role {0} nologin", "alter role {0} login", "does not let this controller in")]
    [InlineData("revoke insert on plane.keys from {0}", "grant insert on plane.keys to {0}", "permission denied for")]
    [InlineData(
        "create function plane.fail() returns trigger language plpgsql as $$ begin raise 'could not read block 7 in file \"base/1/2\": Input/output error' using errcode = '58030'; end $$;" + Failing,
        Mended, "the database's server cannot read or write its files (could not read block 7")]
    [InlineData(
        "create function plane.fail() returns trigger language plpgsql as $$ begin raise 'could not extend file \"base/1/2\": Disk quota exceeded' using errcode = 'XX000'; end $$;" + Failing,
        Mended, "the database's server failed (could not extend file")]
    [InlineData("alter schema plane rename to gone", "alter schema gone rename to plane", "lacks a right or a part of the schema")]
    public async Task What_keeps_connects_from_the_database_is_named_once_and_so_is_its_end(string harm, string mend, string cause)
    {
        await AdminAsync(Of(harm));

        // What is said of a role holds for new connections.
        var ofRole = harm.StartsWith("alter role", StringComparison.Ordinal);
        if (ofRole)
        {
            await AdminAsync($"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{_role}'");
        }

        await Eventually.SeenAsync(
            async _ => (await FailureAsync(() => _store.AcquireAsync(Request("key"), default)), Outage: _store.Outage?.Reason),
            seen => seen.Outage?.Contains(cause, StringComparison.Ordinal) == true,
            "the cause is known");
        for (var i = 0; i < 3; i++)
        {
            Assert.Contains(cause, await FailureAsync(() => _store.AcquireAsync(Request("key"), default)), StringComparison.Ordinal);
            Assert.Contains(cause, await FailureAsync(() => _store.PingAsync(default)), StringComparison.Ordinal);
        }

        await AdminAsync(Of(mend));

        // Those that came while it was read-only stay so.
        await AdminAsync($"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{_role}'");
        await Eventually.SeenAsync(async _ => await FailureAsync(() => _store.PingAsync(default)), failure => failure is null, "it can be used again");
        await RegisterAsync(_store);
        Assert.Equal(AcquireOutcome.Acquired, (await _store.AcquireAsync(Request("after"), default)).Outcome);

        // A connection that was ended here may be what the store noticed first, and then it is in the line.
        var line = Assert.Single(_log.Lines, l => l.StartsWith("Warning", StringComparison.Ordinal));
        Assert.Contains(ofRole ? "The database is unavailable" : cause, line, StringComparison.Ordinal);
        Assert.Equal((1, 1), (Begun, Ended));
    }

    [Fact]
    public async Task The_full_disk_of_a_server_is_named_once_and_is_over_once_there_is_room()
    {
        using var disk = await SmallDisk.MountAsync(megabytes: 160);
        foreach (var directory in (string[])[disk[""], Path.GetDirectoryName(disk[""].TrimEnd('/'))!])
        {
            // The server runs as a user of its own.
            File.SetUnixFileMode(directory, (UnixFileMode)0b111_101_101);
        }

        await using var server = await PostgresServer.StartAsync(parent: disk[""]);
        await using var store = new PostgresStore(server.AdminConnectionString, new LeaseOptions(), _log, TimeProvider.System);
        await store.InitializeAsync(default);
        await RegisterAsync(store);

        var keys = 0;
        await Eventually.SeenAsync(
            async _ =>
            {
                // The server may remove files of its own meanwhile. What takes up room is what connects write: a server without room serves whatever needs none.
                disk.Fill();
                return (await FailureAsync(() => store.AcquireAsync(Request($"key-{keys++}"), default)), Outage: store.Outage?.Reason);
            },
            seen => seen.Outage?.StartsWith("the disk of the database's server is full (", StringComparison.Ordinal) == true,
            "the cause is known");

        disk.Free();
        await Eventually.SeenAsync(() => store.Outage, outage => outage is null, "it is over");
        await RegisterAsync(store);
        Assert.Equal(AcquireOutcome.Acquired, (await store.AcquireAsync(Request("after"), default)).Outcome);
        Assert.Equal((1, 1), (Begun, Ended));
    }

    [Fact]
    public async Task A_probe_that_fails_after_it_was_given_up_is_nobodys_failure()
    {
        await using var server = await PostgresServer.StartAsync();
        var unobserved = new System.Collections.Concurrent.ConcurrentBag<string>();
        void OnUnobserved(object? sender, UnobservedTaskExceptionEventArgs e)
        {
            unobserved.Add(e.Exception.ToString());
        }

        TaskScheduler.UnobservedTaskException += OnUnobserved;
        try
        {
            await using var store = new PostgresStore(server.AdminConnectionString, new LeaseOptions(), _log, TimeProvider.System);
            await store.InitializeAsync(default);
            server.Pause();
            try
            {
                await Eventually.SeenAsync(async _ => (await FailureAsync(() => store.PingAsync(default)), store.Outage), seen => seen.Outage is not null, "the outage is known");

                // Long enough for the probe's connection to be given up by the driver, and for another one to begin.
                var since = TimeProvider.System.GetTimestamp();
                await Eventually.TrueAsync(() => TimeProvider.System.GetElapsedTime(since) > TimeSpan.FromSeconds(12), "time passes");
            }
            finally
            {
                server.Resume();
            }

            await Eventually.SeenAsync(() => store.Outage, outage => outage is null, "it is over");
        }
        finally
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            TaskScheduler.UnobservedTaskException -= OnUnobserved;
        }

        Assert.DoesNotContain(unobserved, e => e.Contains(nameof(PostgresProbe), StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_error_that_no_code_here_knows_is_an_outage_with_an_end()
    {
        await AdminAsync(
            "create function plane.fail() returns trigger language plpgsql as $$ begin raise 'an operator''s own trigger'; end $$;"
            + "create trigger fail before insert on plane.probe execute function plane.fail()");
        await Eventually.SeenAsync(
            async _ => (await FailureAsync(() => _store.PingAsync(default)), Outage: _store.Outage?.Reason),
            seen => seen.Outage == "the database answered P0001: an operator's own trigger",
            "the probe's error is known");
        await AdminAsync(Mended);
        await Eventually.SeenAsync(() => _store.Outage, outage => outage is null, "it is over");
        await _store.PingAsync(default);
        Assert.Equal((1, 1), (Begun, Ended));
    }

    [Fact]
    public async Task A_probe_whose_server_is_refused_closes_its_connection()
    {
        await using var source = NpgsqlDataSource.Create(PostgresProbe.ConnectionString(PostgresSource.Complete(_database.ConnectionString)));
        await using var outage = new StoreOutage(_ => Task.FromResult<StoreFault?>(null), TimeProvider.System, _log);
        using var gate = new PostgresCircuitBreaker(outage, TimeProvider.System);
        NpgsqlConnection? met = null;
        Task Refuse(NpgsqlConnection connection)
        {
            met = connection;
            throw new StoreUnavailableException("a standby");
        }

        var probe = new PostgresProbe(source, source, Refuse, gate, TimeProvider.System);
        await Eventually.SeenAsync(async token => (await probe.RunAsync(token))?.Reason, reason => reason == "a standby", "the server is refused");
        Assert.Equal(System.Data.ConnectionState.Closed, met?.FullState);
    }

    [Fact]
    public async Task A_lock_that_another_session_holds_is_named_with_its_holder()
    {
        await using var other = new NpgsqlConnection(_database.ConnectionString + ";Application Name=psql-of-ada");
        await other.OpenAsync();
        await using var transaction = await other.BeginTransactionAsync();
        await new NpgsqlCommand("lock table plane.keys", other).ExecuteNonQueryAsync();
        await Eventually.SeenAsync(
            async _ => (await FailureAsync(() => _store.PingAsync(default)), Outage: _store.Outage?.Reason), seen => seen.Outage is not null, "the lock is noticed");
        Assert.Contains($"table plane.keys is locked by another session (pid {other.ProcessID}, psql-of-ada", _store.Outage!.Reason, StringComparison.Ordinal);

        // What needs no such table continues.
        await _store.SetTxtAsync(ClusterName.Parse("example.com"), new TxtValues { Owner = "operator" }, TimeSpan.FromMinutes(1), default);
        await transaction.RollbackAsync();
        await Eventually.SeenAsync(() => _store.Outage, outage => outage is null, "it is over");
        await _store.PingAsync(default);
        Assert.Equal((1, 1), (Begun, Ended));
    }

    [Fact]
    public async Task Statements_that_get_no_answer_are_known_before_it_is_an_outage()
    {
        await using var other = new NpgsqlConnection(_database.ConnectionString);
        await other.OpenAsync();
        await using var transaction = await other.BeginTransactionAsync();
        await new NpgsqlCommand("lock table plane.backends", other).ExecuteNonQueryAsync();
        var waiting = _store.ReadBackendAsync(BackendName.NewRandom(), default);
        await Eventually.SeenAsync(() => _store.Answers, answers => !answers, "the silence is known");
        await transaction.RollbackAsync();
        Assert.Null(await waiting);
        await Eventually.SeenAsync(() => _store.Answers, answers => answers, "it is over");
    }

    [Fact]
    public async Task Sessions_that_an_administrator_ends_are_no_outage()
    {
        await AdminAsync($"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{_role}'");
        await Eventually.SeenAsync(async _ => await FailureAsync(() => _store.PingAsync(default)), failure => failure is null, "it goes on");
        await RegisterAsync(_store);
        Assert.Equal(0, Begun);
    }

    [Fact]
    public async Task A_clock_that_differs_from_the_servers_is_a_problem_until_it_is_right()
    {
        var wall = new SetTime { Offset = TimeSpan.FromMinutes(10) };
        await using var store = new PostgresStore(_database.ConnectionString, new LeaseOptions(), _log, TimeProvider.System, wall);
        await store.InitializeAsync(default);
        async Task<string?> BeatAsync()
        {
            await store.HeartbeatControllerAsync(ControllerName.Parse("co-test"), "1", "", default);
            return store.ClockProblem;
        }

        Assert.Contains("ahead of the database server's", await BeatAsync(), StringComparison.Ordinal);
        Assert.NotNull(await BeatAsync());
        wall.Offset = TimeSpan.FromMinutes(-10);
        Assert.Contains("behind the database server's", await BeatAsync(), StringComparison.Ordinal);
        wall.Offset = TimeSpan.Zero;
        Assert.Null(await BeatAsync());
        Assert.Single(_log.Lines, l => l.StartsWith("Warning 2250", StringComparison.Ordinal));
        Assert.Single(_log.Lines, l => l.StartsWith("Information 2251", StringComparison.Ordinal));
    }

    private static async Task<string?> FailureAsync(Func<Task> statement)
    {
        try
        {
            await statement();
            return null;
        }
        catch (StoreUnavailableException e)
        {
            return e.Message;
        }
    }

    private string Of(string sql) => string.Format(System.Globalization.CultureInfo.InvariantCulture, sql, _role);

    private async Task AdminAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(_database.ConnectionString + ";Pooling=false");
        await connection.OpenAsync();
#pragma warning disable CA2100 // A test's own words.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
    }

    private sealed class SetTime : TimeProvider
    {
        public TimeSpan Offset { get; set; }

        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Offset;
    }
}
