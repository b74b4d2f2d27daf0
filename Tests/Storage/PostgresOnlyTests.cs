using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Plane.Storage;
using Plane.Storage.Postgres;
using Plane.Testing;
using static Plane.Tests.Storage.OneDrone;

namespace Plane.Tests.Storage;

/// <summary>What only a server can do to its clients: locks of other sessions, late commits, notifications, restarts, settings.</summary>
public sealed class PostgresOnlyTests : IAsyncLifetime
{
    private static readonly ClusterName s_cluster = ClusterName.Parse("example.com");
    private static readonly ControllerName s_controller = ControllerName.Parse("co-test");
    private static readonly DroneName s_drone = DroneName.Parse("dr-one");
    private PostgresHarness _harness = null!;

    private IPlaneStore Store => _harness.Stores[0];

    private IPlaneStore Other => _harness.Stores[1];

    public async Task InitializeAsync()
    {
        _harness = await PostgresHarness.OpenAsync(new LeaseOptions());
        await RegisterAsync(Store);
    }

    public async Task DisposeAsync() => await _harness.DisposeAsync();

    [Fact]
    public async Task The_first_cluster_that_asks_is_pinned_and_every_other_reads_its_name()
    {
        var silo = new IPEndPoint(IPAddress.Loopback, 11111);
        var pinned = await Task.WhenAll(Store.PinClusterAsync("blue", "plane", silo, default), Other.PinClusterAsync("green", "plane", silo, default));
        Assert.Equal(pinned[0].ClusterId, pinned[1].ClusterId);
        var again = await Other.PinClusterAsync("red", "other", silo, default);
        Assert.Equal((pinned[0].ClusterId, "plane"), (again.ClusterId, again.ServiceId));
    }

    [Fact]
    public async Task A_commit_wakes_the_reader_of_another_controller()
    {
        // Listening begins in the background, and each wait may be ended by an earlier notification: commit until one wait ends with a change in the log.
        var at = await Other.SettledLogEndAsync();
        using var stop = new CancellationTokenSource();
        var writing = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await Store.SetTxtAsync(s_cluster, new TxtValues { Owner = "operator" }, TimeSpan.FromMinutes(1), default);
                await Task.WhenAny(Task.Delay(50, stop.Token));
            }
        });
        for (var woken = 0; woken < 3;)
        {
            await Eventually.EndsAsync(Other.WaitForLogAsync(TimeSpan.FromMinutes(5), default), "a notification arrives");
            var page = await Other.ReadLogAsync(at, 100, default);
            woken += page.Changes.Length > 0 ? 1 : 0;
            at = page.Next;
        }

        await stop.CancelAsync();
        await writing;
    }

    [Fact]
    public async Task A_row_is_not_read_before_an_older_transaction_has_ended_and_nothing_is_passed_over()
    {
        var start = await Store.SettledLogEndAsync();
        await using var late = await OpenAsync();
        await using var transaction = await late.BeginTransactionAsync();
        await ExecuteAsync(late, "insert into plane.changes (kind, cluster) values ('txt_values', 'late.example.com')");
        await Store.SetTxtAsync(s_cluster, new TxtValues { Owner = "operator" }, TimeSpan.FromMinutes(1), default);
        var page = await Store.ReadLogAsync(start, 10, default);
        Assert.Empty(page.Changes);

        // The late one tells nobody; the store finds it by itself, long before the wait is over.
        var waiting = ReadUntilAsync(page.Next, 2);
        await transaction.CommitAsync();
        var changes = await waiting;
        Assert.Equal(["late.example.com", "example.com"], changes.Select(c => c.Cluster.Value));
    }

    [Fact]
    public async Task An_acquisition_waits_for_a_drain_that_has_not_committed_yet_and_honours_it()
    {
        await using var operatorConnection = await OpenAsync();
        await using var transaction = await operatorConnection.BeginTransactionAsync();
        await ExecuteAsync(operatorConnection, "update plane.drones set draining = true");
        var acquiring = Store.AcquireAsync(Request("room"), default);
        await BlockedAsync(operatorConnection, 1);
        await transaction.CommitAsync();
        Assert.Equal(AcquireOutcome.DroneUnfit, (await acquiring).Outcome);
    }

    [Fact]
    public async Task A_renewal_that_was_blocked_does_not_move_an_expiry_back()
    {
        var holder = (await Store.AcquireAsync(Request("room"), default)).Holder!.Identity;
        await using var blocker = await OpenAsync();
        await using var transaction = await blocker.BeginTransactionAsync();
        await ExecuteAsync(blocker, "update plane.keys set expires_at = now() + interval '1 hour'");
        var renewing = Store.RenewAsync([holder], default);
        await BlockedAsync(blocker, 1);
        await transaction.CommitAsync();
        Assert.Equal([RenewalOutcome.Renewed], await renewing);
        var expires = (await Store.ReadBackendAsync(holder.Backend, default))!.LeaseExpiresAt!.Value;
        Assert.True(expires > DateTimeOffset.UtcNow.AddMinutes(50), expires.ToString("O"));
    }

    [Fact]
    public async Task A_deadlock_is_resolved_and_the_call_succeeds()
    {
        var holder = (await Store.AcquireAsync(Request("room"), default)).Holder!.Identity;

        // Whoever looks for a deadlock first gives way: the store, since the other one never looks.
        await using var store = new PostgresStore(
            _harness.Database.ConnectionString + ";Options=-c deadlock_timeout=3s", new LeaseOptions(), NullLoggerFactory.Instance, TimeProvider.System);
        await using var blocker = await OpenAsync();
        await using var transaction = await blocker.BeginTransactionAsync();
        await ExecuteAsync(blocker, "set local deadlock_timeout = '1h'");

        // The wrong way round: key first, then backend.
        await ExecuteAsync(blocker, "select 1 from plane.keys for update");
        var applying = store.ApplyStatesAsync(
            null, [new StateEvent { Sequence = 1, Identity = holder, Status = BackendStatus.Terminated }], default);
        await BlockedAsync(blocker, 1);
        await ExecuteAsync(blocker, "select 1 from plane.backends for update");
        await transaction.CommitAsync();
        Assert.True((await applying).Acks.Single().Applied);
        Assert.Null(await Store.ReadHolderAsync(new KeyConfig { Name = "room" }, default));
    }

    [Fact]
    public async Task A_token_that_was_stored_after_its_backends_purge_goes_with_the_backend()
    {
        var id = (await Store.AcquireAsync(Request("room"), default)).Holder!.Identity;
        await Store.ApplyStatesAsync(null, [new StateEvent { Sequence = 1, Identity = id, Status = BackendStatus.Terminated }], default);
        await Store.CleanUpAsync(TimeSpan.FromDays(1), TimeSpan.FromDays(1), default);
        await using var connection = await OpenAsync();
        await ExecuteAsync(connection, $"insert into plane.tokens (hash, backend_id) values (rpad('late', 43, 'x'), '{id.Backend}')");
        await _harness.AdvanceAsync(TimeSpan.FromDays(2));
        await Store.CleanUpAsync(TimeSpan.FromDays(1), TimeSpan.FromDays(10), default);
        Assert.Null(await Store.ReadBackendAsync(id.Backend, default));
        Assert.Equal(0L, await ScalarAsync(connection, "select count(*) from plane.tokens"));
    }

    [Fact]
    public async Task One_transaction_of_the_clean_up_deletes_no_more_tokens_than_its_limit()
    {
        // The change feed waits for the oldest transaction: one that took all tokens of a busy key would hold up every drone and proxy.
        var id = (await Store.AcquireAsync(Request("room"), default)).Holder!.Identity;
        await Store.ApplyStatesAsync(null, [new StateEvent { Sequence = 1, Identity = id, Status = BackendStatus.Terminated }], default);
        await using var connection = await OpenAsync();
        await ExecuteAsync(connection, $"insert into plane.tokens (hash, backend_id) select rpad('token-' || i || '-', 43, 'x'), '{id.Backend}' from generate_series(1, 24) i");
        for (var left = 15L; left >= 5; left -= 10)
        {
            await ExecuteAsync(connection, "select plane.clean_up(interval '1 day', interval '1 day', interval '1 minute', 10)");
            Assert.Equal(left, await ScalarAsync(connection, "select count(*) from plane.tokens"));
        }

        await Store.CleanUpAsync(TimeSpan.FromDays(1), TimeSpan.FromDays(1), default);
        Assert.Equal(0L, await ScalarAsync(connection, "select count(*) from plane.tokens"));
    }

    [Fact]
    public async Task Many_programs_that_meet_an_empty_database_at_once_make_one_installation()
    {
        var server = await PostgresServer.SharedAsync();
        await using var database = await server.CreateDatabaseAsync();
        var stores = Enumerable.Range(0, 5).Select(_ => PostgresHarness.New(database)).ToArray();
        await Task.WhenAll(stores.Select(s => s.InitializeAsync(default)));
        Assert.Single(stores.Select(s => s.InstallationId).Distinct());
        await Task.WhenAll(stores.Select(s => s.DisposeAsync().AsTask()));
    }

    [Fact]
    public async Task A_newer_schema_is_refused_only_if_it_says_so()
    {
        await using var connection = await OpenAsync();
        await ExecuteAsync(connection, "insert into plane.schema_versions (version, oldest) values (98, 1)");
        await using var store = PostgresHarness.New(_harness.Database);
        await store.InitializeAsync(default);
        await ExecuteAsync(connection, "insert into plane.schema_versions (version, oldest) values (99, 99)");
        var refused = await Assert.ThrowsAsync<StoreRefusedException>(() => store.InitializeAsync(default));
        Assert.Contains("99", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_database_of_an_older_build_is_refused_with_what_to_do()
    {
        await using var database = await (await PostgresServer.SharedAsync()).CreateDatabaseAsync();
        await using (var connection = new NpgsqlConnection(database.ConnectionString))
        {
            await connection.OpenAsync();
            await ExecuteAsync(connection, "create schema plane; create table plane.migrations (version integer primary key, oldest integer not null, applied_at timestamptz not null)");
        }

        await using var store = PostgresHarness.New(database);
        var refused = await Assert.ThrowsAsync<StoreRefusedException>(() => store.InitializeAsync(default));
        Assert.Contains("a build from before version 0.1.0", refused.Message, StringComparison.Ordinal);
        Assert.Contains("drop schema plane cascade", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_start_puts_its_functions_in_force_unless_the_schema_is_a_newer_programs()
    {
        const string Broken = "create or replace function plane.is_served(p_silent interval) returns boolean language sql as $$ select false $$";
        await using var connection = await OpenAsync();
        await using var store = PostgresHarness.New(_harness.Database);
        async Task<bool> IsServedAsync()
        {
            await store.InitializeAsync(default);
            return (bool)(await ScalarAsync(connection, "select plane.is_served(interval '1 minute')"))!;
        }

        // Those of another build of this version.
        await ExecuteAsync(connection, Broken);
        await ExecuteAsync(connection, "update plane.schema_functions set hash = 'another'");
        Assert.True(await IsServedAsync());

        // Its own are left as they are.
        await ExecuteAsync(connection, Broken);
        Assert.False(await IsServedAsync());
        await ExecuteAsync(connection, "update plane.schema_functions set hash = 'a newer one''s'");
        await ExecuteAsync(connection, "insert into plane.schema_versions (version, oldest) values (98, 1)");
        Assert.False(await IsServedAsync());
    }

    [Fact]
    public async Task Rows_of_a_log_from_another_cluster_of_servers_are_dropped_at_start()
    {
        await using var connection = await OpenAsync();
        await ExecuteAsync(connection, "insert into plane.changes (transaction_id, kind, cluster) values (4611686018427387904, 'txt_values', 'old.example.com')");
        await using var store = PostgresHarness.New(_harness.Database);
        await store.InitializeAsync(default);
        Assert.Equal(0L, await ScalarAsync(connection, "select count(*) from plane.changes where cluster = 'old.example.com'"));
    }

    [Fact]
    public async Task A_user_who_may_not_make_the_schema_is_refused_with_the_reason()
    {
        var server = await PostgresServer.SharedAsync();
        await using var database = await server.CreateDatabaseAsync();
        var user = $"u{Guid.NewGuid():N}";
        await using var connection = new NpgsqlConnection(database.ConnectionString);
        await connection.OpenAsync();
        await ExecuteAsync(connection, $"create role {user} login");
        try
        {
            var builder = new NpgsqlConnectionStringBuilder(database.ConnectionString) { Username = user };
            await using var store = new PostgresStore(builder.ConnectionString, new LeaseOptions(), NullLoggerFactory.Instance, TimeProvider.System);
            var refused = await Assert.ThrowsAsync<StoreRefusedException>(() => store.InitializeAsync(default));
            Assert.Contains("permission denied", refused.Message, StringComparison.Ordinal);
        }
        finally
        {
            await ExecuteAsync(connection, $"drop role {user}");
        }
    }

    [Fact]
    public async Task A_server_without_fsync_is_refused()
    {
        await using var server = await PostgresServer.StartAsync(settings: ["fsync=off"]);
        await using var store = new PostgresStore(server.AdminConnectionString, new LeaseOptions(), NullLoggerFactory.Instance, TimeProvider.System);
        var refused = await Assert.ThrowsAsync<StoreRefusedException>(() => store.InitializeAsync(default));
        Assert.Contains("fsync", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_does_not_wait_for_its_disk_is_warned_of()
    {
        var logger = new CollectingLogger();
        await using var store = new PostgresStore(
            _harness.Database.ConnectionString + ";Options=-c synchronous_commit=off", new LeaseOptions(), logger, TimeProvider.System);
        await store.InitializeAsync(default);
        Assert.Contains(logger.Lines, l => l.StartsWith("Warning 2210", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_server_that_goes_away_is_reported_as_unavailable_and_used_again_when_it_is_back()
    {
        await using var server = await PostgresServer.StartAsync();
        await using var store = new PostgresStore(
            server.AdminConnectionString.Replace("Pooling=False", "", StringComparison.OrdinalIgnoreCase) + ";Password=pass-word",
            new LeaseOptions(),
            NullLoggerFactory.Instance,
            TimeProvider.System);
        await store.InitializeAsync(default);
        var session = await RegisterAsync(store);
        var request = Request("room");
        var holder = (await store.AcquireAsync(request, default)).Holder!;
        await server.StopAsync(Signal.Kill);
        var away = await Assert.ThrowsAsync<StoreUnavailableException>(() => store.RenewAsync([holder.Identity], default));
        Assert.DoesNotContain("pass-word", away.ToString(), StringComparison.Ordinal);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => store.PingAsync(default));

        await server.RestartAsync();
        await Eventually.SeenAsync(
            async token => await store.RenewAsync([holder.Identity], token), r => r[0] == RenewalOutcome.Renewed, "what was acknowledged is there after the crash");
        Assert.Equal(AcquireOutcome.Acquired, (await store.AcquireAsync(request, default)).Outcome);
        Assert.Equal(SessionState.Current, await store.ReadSessionAsync(session, default));
    }

    [Fact]
    public async Task A_short_lease_expires_by_the_servers_clock()
    {
        await using var store = PostgresHarness.New(_harness.Database, LeaseOptions.Scaled(0.01) with { HeartbeatFresh = TimeSpan.FromMinutes(1) });
        await store.InitializeAsync(default);
        await RegisterAsync(store);
        var acquired = await store.AcquireAsync(Request("room"), default);
        Assert.Equal(AcquireOutcome.Acquired, acquired.Outcome);
        await Eventually.SeenAsync(store.SweepLostAsync, lost => lost == 1, "the sweep finds the expired lease");
    }

    // Every hot path is walked with sequential scans forbidden as far as an index serves, functions included; then the server's own counters are asked.
    [Fact]
    public async Task Every_hot_query_is_served_by_an_index()
    {
        var server = await PostgresServer.SharedAsync();
        await using var database = await server.CreateDatabaseAsync();
        var counted = new List<(string Step, string Table)>();

        // A session of its own, over when the counting begins: making an index reads its table through.
        await PostgresHarness.PrepareAsync(database.ConnectionString);
        await using (var store = new PostgresStore(
            database.ConnectionString + ";Options=-c enable_seqscan=off", new LeaseOptions(), NullLoggerFactory.Instance, TimeProvider.System))
        {
            await store.InitializeAsync(default);
            var session = await RegisterAsync(store);
            await using var connection = new NpgsqlConnection(database.ConnectionString + ";Pooling=false");
            await connection.OpenAsync();
            var before = await CountAsync(connection);
            var holder = (await store.AcquireAsync(Request("room"), default)).Holder!;
            var id = holder.Identity;
            var key = new KeyConfig { Name = "room" };
            var steps = new (string Name, Func<Task> Run)[]
            {
                ("connect", () => store.IssueTokensAsync([new TokenRequest(key, BearerToken.NewRandom().Hash(), "s", "u", null)], default)),
                ("acquire", () => store.AcquireAsync(Request("other"), default)),
                ("renew", () => store.RenewAsync([id], default)),
                ("prevent", () => store.PreventRenewalAsync(id.Backend, default)),
                ("heartbeat", () => store.HeartbeatDroneAsync(
                    new DroneHeartbeat { Session = session, InstanceId = "i", BootId = "b", Reading = 9, Ready = true }, s_controller, default)),
                ("session", () => store.ReadSessionAsync(session, default)),
                ("actions", () => store.ReadActionsAsync(session, 0, 10, default)),
                ("acknowledge", () => store.AcknowledgeActionsAsync(session, 1, default)),
                ("candidates", () => store.ListCandidatesAsync(s_cluster, default)),
                ("state", () => store.ReadClusterAsync(s_cluster, default)),
                ("states", () => store.ApplyStatesAsync(session, [new StateEvent { Sequence = 1, Identity = id, Status = BackendStatus.Ready, Address = "a:1" }], default)),
                ("terminate", () => store.TerminateAsync(id.Backend, null, TerminationKind.Soft, TerminationReason.External, default)),
                ("details", () => store.ReadBackendAsync(id.Backend, default)),
                ("history", () => store.ReadHistoriesAsync([id.Backend], default)),
                ("list", () => store.ListBackendsAsync(new BackendQuery(), default)),
                ("list by key", () => store.ListBackendsAsync(new BackendQuery { KeyName = "room" }, default)),
                ("list by drone", () => store.ListBackendsAsync(new BackendQuery { Drone = s_drone }, default)),
                ("resolve", () => store.ResolveAsync(BearerToken.NewRandom().Hash(), default)),
                ("report", () => store.ReportProxyAsync(
                    new ProxyReport { Cluster = s_cluster, Proxy = ProxyName.Parse("px-a"), Version = "1", InUse = [id] }, s_controller, default)),
                ("log", () => store.ReadLogAsync(LogPosition.Start, 10, default)),
                ("idle sweep", () => store.SweepIdleAsync(default)),
                ("lifetime sweep", () => store.SweepLifetimeAsync(default)),
                ("revoke", () => store.RevokeAsync(id.Backend, new RevokeScope { User = "u" }, default)),
                ("end", () => store.ApplyStatesAsync(session, [new StateEvent { Sequence = 2, Identity = id, Status = BackendStatus.Terminated }], default)),
                ("clean-up", () => store.CleanUpAsync(TimeSpan.Zero, TimeSpan.FromDays(1), default)),
                ("txt", () => store.ReadTxtAsync(s_cluster, default)),
                ("set txt", () => store.SetTxtAsync(s_cluster, new TxtValues { Owner = "o", Values = ["v"], Add = true }, TimeSpan.FromMinutes(1), default)),
                ("list txt", () => store.ListTxtAsync(s_cluster, default)),
                ("hold challenge", () => store.HoldChallengeAsync(s_cluster, new ChallengeHold { Owner = "px-a" }, default)),
                ("release challenge", () => store.ReleaseChallengeAsync(s_cluster, "px-a", default)),
                ("begin order", () => store.BeginOrderAsync(s_cluster, new CertificateOrder { Id = "1", Owner = "px-a", Authority = "ca" }, default)),
                ("drop order", () => store.DropOrderAsync(s_cluster, "1", default)),
            };
            foreach (var (_, run) in steps)
            {
                await run();
            }

            await store.DisposeAsync();
            await connection.CloseAsync();
            await connection.OpenAsync();
            foreach (var (table, scans) in await CountAsync(connection))
            {
                if (scans > before.GetValueOrDefault(table))
                {
                    counted.Add(($"{scans - before.GetValueOrDefault(table)} scans", table));
                }
            }
        }

        // One row each, or a sweep that reads all there is; in keys no index on the expiry, on purpose (0001-2-tables.sql).
        Assert.DoesNotContain(
            counted, c => c.Table is not ("installation" or "changes_cleaned" or "controllers" or "proxies" or "txt_values" or "schema_versions" or "schema_functions"));
    }

    private static async Task<Dictionary<string, long>> CountAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand("select relname::text, seq_scan from pg_stat_user_tables where schemaname = 'plane'", connection);
        await using var reader = await command.ExecuteReaderAsync();
        var counts = new Dictionary<string, long>();
        while (await reader.ReadAsync())
        {
            counts.Add(reader.GetString(0), reader.GetInt64(1));
        }

        return counts;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<object?> ScalarAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }

    private async Task<NpgsqlConnection> OpenAsync()
    {
        var connection = new NpgsqlConnection(_harness.Database.ConnectionString);
        await connection.OpenAsync();
        return connection;
    }

    private async Task BlockedAsync(NpgsqlConnection blocker, int count)
    {
        await using var watcher = await OpenAsync();
        await Eventually.SeenAsync(
            async _ => (long)(await ScalarAsync(watcher, $"select count(*) from pg_stat_activity where {blocker.ProcessID} = any (pg_blocking_pids(pid))"))!,
            blocked => blocked >= count,
            $"{count} sessions wait for ours");
    }

    private async Task<IReadOnlyList<Change>> ReadUntilAsync(LogPosition at, int count)
    {
        var seen = new List<Change>();
        while (seen.Count < count)
        {
            await Eventually.EndsAsync(Store.WaitForLogAsync(TimeSpan.FromMinutes(5), default), "the log is looked at again");
            var page = await Store.ReadLogAsync(at, 10, default);
            seen.AddRange(page.Changes);
            at = page.Next;
        }

        return seen;
    }
}
