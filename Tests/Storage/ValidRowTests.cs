using System.Data.Common;
using Microsoft.Data.Sqlite;
using Npgsql;
using Plane.Storage;
using Plane.Storage.Postgres;
using Plane.Storage.Sqlite;
using Plane.Tests.Grains;
using Plane.Testing;
using static Plane.Tests.Storage.OneDrone;

namespace Plane.Tests.Storage;

/// <summary>Rows that break a rule of the contract: the schema refuses them, and one that is there anyway is skipped.</summary>
public sealed class ValidRowTests
{
    private static readonly ClusterName s_cluster = ClusterName.Parse("example.com");
    private static readonly ControllerName s_controller = ControllerName.Parse("co-test");

    private static readonly string[] s_broken =
    [
        "update backends set id = 'UPPER'", "update backends set id = ''", $"update backends set id = '{new string('a', 46)}'", "update backends set cluster = 'no cluster'",
        "update backends set drone = 'one'", "update backends set key_name = ''", "update backends set key_name = 'a\u0001'", "update backends set key_namespace = 'a\u0085'",
        $"update backends set key_tag = '{new string('a', 256)}'", $"update backends set pool = '{new string('a', 256)}'", "update backends set status = 'gone'", "update backends set end_kind = 'none'",
        "update backends set executor = 'none'", "update backends set termination_reason = 'none'", "update backends set max_idle_seconds = 0", "update backends set fencing_token = 0",
        $"update backends set address = '{new string('1', 65)}'", $"update backends set message = '{new string('m', 1_001)}'", "update backends set subdomain = '-a'", $"update backends set web = '{new string('w', 8_193)}'",
        "update backends set acquired_by = 'x'", "update backends set static_token = 'x'", "update keys set fencing_token = -1", "update history set status = 'gone'",
        "update history set termination_kind = 'none'", "update tokens set hash = 'x'", "update tokens set user_name = 'a\u0007'", "update tokens set secret = ''",
        $"update tokens set auth = '{new string('a', 8_193)}'", "update actions set drone = 'one'", "update actions set number = 0", "update actions set kind = 'claim'", "update actions set spawn = null",
        "update backends set cpu_millis = -1, memory_bytes = 0, disk_bytes = 0, gpus = 0", "update backends set cpu_millis = 0, memory_bytes = 9007199254740993, disk_bytes = 0, gpus = 0",
        "update backends set cpu_millis = 0, memory_bytes = 0, disk_bytes = 0, gpus = 1025", "update backends set cpu_millis = null",
        "update drones set cpu_millis = 0, memory_bytes = -1, disk_bytes = 0, gpus = 0", "update drones set cpu_millis = 0, memory_bytes = 0, disk_bytes = 9007199254740993, gpus = 0",
        "update drones set cpu_millis = 0, memory_bytes = 0, disk_bytes = 0, gpus = -1", "update drones set gpus = null", "update drone_images set drone = 'one'",
        "update drone_images set images = ''",
        "update drones set name = 'one'", "update drones set reading = -1", "update drones set max_backends = 0", "update drones set instance_id = 'a b'", "update drones set version = ''",
        "update changes set kind = 'service'", "update changes set cluster = 'A'", "update changes set drone = 'one' where drone is not null", "update changes set backend_id = 'A' where backend_id is not null",
        "update changes set status = 'gone'", "update changes set token_hash = 'x'", "update proxies set name = 'px-'", "update controllers set id = 'one'", "update txt_values set owner = ''",
        "update challenge_leases set owner = ''", "update certificate_orders set authority = ''", "update requests set digest = ''",
    ];

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task The_schema_refuses_what_breaks_a_rule_of_the_contract(On on)
    {
        await using var database = await Database.CreateAsync(on);
        await using (var store = await database.OpenAsync())
        {
            await FillAsync(store);
        }

        await using var connection = await database.ConnectAsync();
        foreach (var sql in s_broken)
        {
            var e = await Record.ExceptionAsync(() => ExecuteAsync(connection, sql));
            Assert.True(
                e is PostgresException { SqlState: PostgresErrorCodes.CheckViolation or PostgresErrorCodes.InvalidTextRepresentation } or SqliteException { SqliteErrorCode: 19 }, $"{sql}: {e?.Message}");
        }
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_row_that_cannot_be_read_is_skipped_and_logged_once(On on)
    {
        using var logger = new CollectingLogger();
        await using var database = await Database.CreateAsync(on);
        HolderInfo[] held;
        DroneSession session;
        await using (var store = await database.OpenAsync())
        {
            session = await RegisterAsync(store);
            held = [await AcquireAsync(store, "one"), await AcquireAsync(store, "bad"), await AcquireAsync(store, "two")];
        }

        var bad = held[1].Identity.Backend.Value;
        await database.BreakAsync(
            $"update changes set cluster = 'no cluster' where backend_id = '{bad}'",
            $"update backends set drone = 'nobody' where id = '{bad}'",
            $"update actions set spawn = '[' where backend_id = '{bad}'");

        await using var again = await database.OpenAsync(logger);
        session = await RegisterAsync(again);
        await again.SettledLogEndAsync();
        for (var turn = 0; turn < 2; turn++)
        {
            var seen = new List<BackendName>();
            for (var position = LogPosition.Start; ;)
            {
                var page = await again.ReadLogAsync(position, 1, default);
                seen.AddRange(page.Changes.Select(c => c.Backend?.Backend).OfType<BackendName>());
                if (page.Next <= position || page.Next >= await again.ReadLogEndAsync(default))
                {
                    break;
                }

                position = page.Next;
            }

            Assert.Equal([held[0].Identity.Backend, held[2].Identity.Backend], seen);
            var listed = new List<BackendName>();
            var query = new BackendQuery { Limit = 1 };
            do
            {
                var page = await again.ListBackendsAsync(query, default);
                listed.AddRange(page.Backends.Select(b => b.BackendId));
                query = query with { Cursor = page.NextCursor };
            }
            while (query.Cursor is not null);
            Assert.Equal([.. new[] { held[0], held[2] }.Select(h => h.Identity.Backend.Value).Order()], listed.Select(b => b.Value).Order());
            Assert.Null(await again.ReadBackendAsync(held[1].Identity.Backend, default));
            var actions = (await again.ReadActionsAsync(session, 0, 10, default)).Actions;
            Assert.Equal([held[0].Identity, held[2].Identity], actions.Select(a => a.Identity));
            var issued = await again.IssueTokensAsync([.. new[] { "one", "bad", "two" }.Select(TokenFor)], default);
            Assert.Equal([TokenOutcome.Issued, TokenOutcome.NotHeld, TokenOutcome.Issued], issued.Select(i => i.Outcome));

            // It is held, by a backend of which nothing more can be said: no other may run beside it.
            Assert.Equal(AcquireOutcome.Held, (await again.AcquireAsync(Request("bad"), default)).Outcome);
            await again.SweepLostAsync(default);
            await again.SweepIdleAsync(default);
            await again.CleanUpAsync(TimeSpan.FromDays(1), TimeSpan.FromDays(1), default);
        }

        Assert.True(again.UnreadableRows >= 8, $"{again.UnreadableRows} were counted");
        var lines = logger.Lines.Where(l => l.StartsWith("Error 2260", StringComparison.Ordinal)).ToArray();
        Assert.NotEmpty(lines);
        Assert.Equal(lines.Distinct(), lines);
        Assert.Contains(lines, l => l.Contains($"({bad})", StringComparison.Ordinal));
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_page_of_which_no_row_can_be_read_does_not_end_the_list(On on)
    {
        await using var database = await Database.CreateAsync(on);
        HolderInfo first;
        await using (var store = await database.OpenAsync())
        {
            await RegisterAsync(store);
            first = await AcquireAsync(store, "first");
            await Task.WhenAll(Enumerable.Range(0, 6).Select(i => AcquireAsync(store, $"bad-{i}")));
        }

        await database.BreakAsync($"update backends set created_at = {(on == On.Postgres ? "created_at - interval '1 second'" : "created_at - 1000")} where id = '{first.Identity.Backend}'",
            $"update backends set drone = 'nobody' where id <> '{first.Identity.Backend}'");
        await using var again = await database.OpenAsync();
        var pages = new List<BackendPage>();
        do
        {
            pages.Add(await again.ListBackendsAsync(new BackendQuery { Limit = 2, Cursor = pages.Count == 0 ? null : pages[^1].NextCursor }, default));
        }
        while (pages[^1].NextCursor is not null);
        Assert.Empty(pages[0].Backends);
        Assert.Equal(first.Identity.Backend, Assert.Single(pages.SelectMany(p => p.Backends)).BackendId);
    }

    private static TokenRequest TokenFor(string key) => new(new KeyConfig { Name = key }, BearerToken.NewRandom().Hash(), "secret", null, null);

    private static async Task<HolderInfo> AcquireAsync(IPlaneStore store, string key)
    {
        var acquired = await store.AcquireAsync(Request(key), default);
        Assert.Equal(AcquireOutcome.Acquired, acquired.Outcome);
        return acquired.Holder!;
    }

    // A row in every table.
    private static async Task FillAsync(IPlaneStore store)
    {
        await store.HeartbeatControllerAsync(s_controller, "1", "", default);
        var session = await RegisterAsync(store);
        await store.HeartbeatDroneAsync(
            new DroneHeartbeat { Session = session, InstanceId = "i", BootId = "b", Reading = 1, Ready = true, Capacity = new ResourceAmounts { CpuMillis = 1 } }, s_controller, default);
        await store.ReportImagesAsync(session, [new ImageState { Image = "image:1", Status = ImageStatus.Ready }], default);
        var request = Request("room") with { Mark = new IdempotencyKey(new string('a', 64), new string('b', 64), [1]) };
        var executable = request.Command.Spawn!.Executable with { ResourceRequests = new ResourceRequests { CpuMillis = 1 } };
        Assert.Equal(
            AcquireOutcome.Acquired,
            (await store.AcquireAsync(request with { Command = request.Command with { Spawn = request.Command.Spawn with { Executable = executable } } }, default)).Outcome);
        await store.ReportProxyAsync(new ProxyReport { Cluster = s_cluster, Proxy = ProxyName.Parse("px-a"), Version = "1" }, s_controller, default);
        await store.SetTxtAsync(s_cluster, new TxtValues { Owner = "o", Values = ["v"] }, TimeSpan.FromMinutes(1), default);
        await store.HoldChallengeAsync(s_cluster, new ChallengeHold { Owner = "o" }, default);
        await store.BeginOrderAsync(s_cluster, new CertificateOrder { Id = "1", Owner = "o", Authority = "a" }, default);
    }

    private static async Task ExecuteAsync(DbConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        Assert.NotEqual(0, await command.ExecuteNonQueryAsync());
    }

    /// <summary>A database with a way behind the store's back.</summary>
    private sealed class Database(On on) : IAsyncDisposable
    {
        private readonly TempDirectory _directory = new();
        private TestDatabase? _postgres;

        public static async Task<Database> CreateAsync(On on) => new(on)
        {
            _postgres = on == On.Postgres ? await (await PostgresServer.SharedAsync()).CreateDatabaseAsync() : null,
        };

        public async Task<IPlaneStore> OpenAsync(CollectingLogger? logger = null)
        {
            using var none = new CollectingLogger();
            IPlaneStore store = _postgres is { } postgres
                ? new PostgresStore(postgres.ConnectionString, new LeaseOptions(), logger ?? none, TimeProvider.System)
                : new SqliteStore(_directory["plane.db"], new LeaseOptions(), logger ?? none, TimeProvider.System, new ManualLeaseClock());
            await store.InitializeAsync(default);
            return store;
        }

        public async Task<DbConnection> ConnectAsync()
        {
            DbConnection connection = _postgres is { } postgres
                ? new NpgsqlConnection(postgres.ConnectionString + ";Search Path=plane")
                : new SqliteConnection($"Data Source={_directory["plane.db"]};Pooling=false");
            await connection.OpenAsync();
            return connection;
        }

        /// <summary>Changes rows with no constraint in force.</summary>
        public async Task BreakAsync(params string[] statements)
        {
            await using var connection = await ConnectAsync();
            await using (var command = connection.CreateCommand())
            {
                command.CommandText = on == On.Sqlite ? "pragma ignore_check_constraints = on" :
                    """
                    do $$ declare c record; begin
                        for c in select conrelid::regclass as tab, conname from pg_constraint where connamespace = 'plane'::regnamespace and contype = 'c' loop
                            execute format('alter table %s drop constraint %I', c.tab, c.conname);
                        end loop;
                    end $$
                    """;
                await command.ExecuteNonQueryAsync();
            }

            foreach (var sql in statements)
            {
                await ExecuteAsync(connection, sql);
            }
        }

        public async ValueTask DisposeAsync()
        {
            if (_postgres is not null)
            {
                await _postgres.DisposeAsync();
            }

            _directory.Dispose();
        }
    }
}
