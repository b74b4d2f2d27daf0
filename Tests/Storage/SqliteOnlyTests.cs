using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using Plane.Storage;
using Plane.Storage.Sqlite;
using Plane.Testing;
using static Plane.Tests.Storage.OneDrone;

namespace Plane.Tests.Storage;

/// <summary>What only a file needs: its lock, its time, its crash, its rights.</summary>
public sealed class SqliteOnlyTests : IDisposable
{
    private static readonly ClusterName s_cluster = ClusterName.Parse("example.com");
    private static readonly ControllerName s_controller = ControllerName.Parse("co-test");
    private static readonly LeaseOptions s_numbers = new();
    private readonly TempDirectory _directory = new();

    private string File => _directory["plane.db"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Everything_is_there_after_a_stop_and_a_start()
    {
        BackendIdentity holder;
        string installation;
        await using (var store = await OpenAsync())
        {
            installation = store.InstallationId;
            holder = await AcquireAsync(store, "room");
        }

        await using var again = await OpenAsync();
        Assert.Equal(installation, again.InstallationId);
        Assert.Equal(holder, (await again.ReadHolderAsync(new KeyConfig { Name = "room" }, default))!.Identity);
    }

    [Fact]
    public async Task What_was_acknowledged_survives_a_crash()
    {
        await using var store = await OpenAsync();
        await RegisterAsync(store);
        var acquired = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => store.AcquireAsync(Request($"room-{i}"), default)));

        // The files as a killed process leaves them: no connection was closed, nothing was folded into the main file.
        var crashed = _directory["crashed.db"];
        foreach (var suffix in new[] { "", "-wal" })
        {
            var (code, lines) = await RunningProgram.RunAsync("cp", [File + suffix, crashed + suffix]);
            Assert.True(code == 0, string.Join('\n', lines));
        }

        await using var recovered = await OpenAsync(crashed);
        Assert.Equal(100, (await recovered.ListBackendsAsync(new BackendQuery(), default)).Backends.Length);
        Assert.Equal(acquired[^1].Holder, await recovered.ReadHolderAsync(new KeyConfig { Name = "room-99" }, default));
        await RegisterAsync(recovered);
        Assert.True(await AcquireTokenAsync(recovered, "next") > acquired.Max(a => a.Holder!.Identity.Token));
    }

    [Fact]
    public async Task A_second_program_is_refused_and_told_the_holder()
    {
        await using var store = await OpenAsync();
        var refused = await Assert.ThrowsAsync<StoreRefusedException>(() => OpenAsync());
        Assert.Equal($"process {Environment.ProcessId} on {Environment.MachineName}", refused.Holder);
        Assert.Contains(refused.Holder!, refused.Message, StringComparison.Ordinal);
        await store.PingAsync(default);
    }

    [Fact]
    public async Task The_time_without_a_controller_does_not_use_up_leases_and_time_never_goes_back()
    {
        var wall = new ManualTime(DateTimeOffset.UtcNow);
        var clock = new ManualLeaseClock();
        BackendIdentity holder;
        DateTimeOffset created;
        await using (var store = await OpenAsync(clock: clock, wall: wall))
        {
            holder = await AcquireAsync(store, "room");
            created = (await store.ReadBackendAsync(holder.Backend, default))!.CreatedAt;
            clock.Advance(TimeSpan.FromSeconds(30));
            await store.HeartbeatControllerAsync(s_controller, "1", "", default);
        }

        // An hour later, after a restart of the machine: its clock since the boot began anew.
        wall.Now += TimeSpan.FromHours(1);
        clock = new ManualLeaseClock();
        await using (var store = await OpenAsync(clock: clock, wall: wall))
        {
            clock.Advance(TimeSpan.FromSeconds(29));
            Assert.NotNull(await store.ReadHolderAsync(new KeyConfig { Name = "room" }, default));
            clock.Advance(TimeSpan.FromSeconds(2));
            Assert.Null(await store.ReadHolderAsync(new KeyConfig { Name = "room" }, default));

            // What people read keeps to the wall clock.
            var later = await AcquireAsync(store, "other");
            Assert.InRange((await store.ReadBackendAsync(later.Backend, default))!.CreatedAt - created, TimeSpan.FromMinutes(59), TimeSpan.FromMinutes(62));
        }

        // The wall clock was set back by a day.
        wall.Now -= TimeSpan.FromDays(1);
        await using (var store = await OpenAsync(wall: wall))
        {
            var last = await AcquireAsync(store, "third");
            Assert.True((await store.ReadBackendAsync(last.Backend, default))!.CreatedAt >= created.AddHours(1));
            Assert.True(last.Token > holder.Token);
        }
    }

    [Fact]
    public async Task A_drone_gets_no_backends_after_a_restart_of_the_controller_until_it_is_heard_of_again()
    {
        DroneSession session;
        await using (var store = await OpenAsync())
        {
            session = await RegisterAsync(store);
            Assert.Single(await store.ListCandidatesAsync(s_cluster, default));
        }

        // The lease clock stood still meanwhile: the heartbeat looks as fresh as it did.
        await using var again = await OpenAsync();
        Assert.Empty(await again.ListCandidatesAsync(s_cluster, default));
        Assert.Equal(AcquireOutcome.DroneUnfit, (await again.AcquireAsync(Request("room"), default)).Outcome);

        var heartbeat = new DroneHeartbeat { Session = session, InstanceId = "i", BootId = "b", Reading = 2, Ready = true };
        Assert.Equal(SessionState.Current, await again.HeartbeatDroneAsync(heartbeat, s_controller, default));
        Assert.Equal(AcquireOutcome.Acquired, (await again.AcquireAsync(Request("room"), default)).Outcome);
    }

    [Fact]
    public async Task The_lost_sweep_goes_from_the_actions_to_their_backends()
    {
        var plan = await PlanAsync(SqliteStore.DropActionsSql);
        Assert.Contains(plan, step => step.StartsWith("SEARCH b USING PRIMARY KEY", StringComparison.Ordinal));
        Assert.DoesNotContain(plan, step => step.Contains("backends_ended", StringComparison.Ordinal) || step.StartsWith("SCAN b", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(BackendStatus.Ready, "backends_newest_live")]
    [InlineData(BackendStatus.Terminated, "backends_newest")]
    public async Task A_list_of_a_live_state_reads_the_live_ones_alone(BackendStatus status, string index)
    {
        var (sql, values) = SqliteStore.ListSql(new BackendQuery { Status = status }, 10);
        Assert.Equal([$"SCAN backends USING INDEX {index}"], await PlanAsync(sql, values));
    }

    [Fact]
    public async Task Failures_are_read_from_those_that_ended_lately_alone() =>
        Assert.Equal(["SEARCH backends USING INDEX backends_ended (status_at>?)"], await PlanAsync(SqliteStore.FailuresSql, 1, 10));

    [Fact]
    public async Task A_clock_that_steps_back_does_not_take_time_with_it()
    {
        var clock = new ManualLeaseClock();
        await using var store = await OpenAsync(clock: clock);
        var first = await AcquireTokenAsync(store, "one");
        clock.Advance(TimeSpan.FromSeconds(-500));
        Assert.True(await AcquireTokenAsync(store, "two") > first);
        var page = await store.ListBackendsAsync(new BackendQuery(), default);
        Assert.True(page.Backends[0].CreatedAt >= page.Backends[1].CreatedAt);
    }

    [Fact]
    public async Task The_file_is_for_its_owner_alone()
    {
        await using var store = await OpenAsync();
        await AcquireAsync(store, "room");
        foreach (var path in new[] { File, File + "-wal", File + ".holder" })
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(path));
        }
    }

    [Fact]
    public async Task A_file_that_is_no_database_is_refused()
    {
        await System.IO.File.WriteAllTextAsync(File, new string('x', 5_000));
        var refused = await Assert.ThrowsAsync<StoreRefusedException>(() => OpenAsync());
        Assert.Contains(File, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_database_of_another_program_is_refused_and_left_as_it_is()
    {
        await ExecuteAsync("create table theirs (x)");
        var refused = await Assert.ThrowsAsync<StoreRefusedException>(() => OpenAsync());
        Assert.Contains("another program", refused.Message, StringComparison.Ordinal);
        await ExecuteAsync("insert into theirs values (1)");
    }

    [Fact]
    public async Task A_newer_schema_is_refused_only_if_it_says_so()
    {
        await (await OpenAsync()).DisposeAsync();
        await ExecuteAsync("insert into schema_versions values (98, 1)");
        await (await OpenAsync()).DisposeAsync();
        await ExecuteAsync("insert into schema_versions values (99, 99)");
        await Assert.ThrowsAsync<StoreRefusedException>(() => OpenAsync());
    }

    [Fact]
    public async Task A_file_of_an_older_build_is_refused_with_what_to_do()
    {
        await (await OpenAsync()).DisposeAsync();
        await ExecuteAsync("alter table schema_versions rename to migrations");
        var refused = await Assert.ThrowsAsync<StoreRefusedException>(() => OpenAsync());
        Assert.Contains("a build from before version 0.1.0", refused.Message, StringComparison.Ordinal);
        Assert.Contains("move the file away", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_cannot_be_made_is_refused_each_time()
    {
        await using var store = new SqliteStore("/proc/plane/plane.db", s_numbers, NullLoggerFactory.Instance, TimeProvider.System, new ManualLeaseClock());
        await Assert.ThrowsAsync<StoreRefusedException>(() => store.InitializeAsync(default));
        await Assert.ThrowsAsync<StoreRefusedException>(() => store.InitializeAsync(default));
    }

    [Fact]
    public async Task A_closed_store_answers_that_it_is_unavailable()
    {
        var store = await OpenAsync();
        await store.DisposeAsync();
        await Assert.ThrowsAsync<StoreUnavailableException>(() => store.PingAsync(default));
    }

    [Fact]
    public async Task Work_that_fails_is_undone_alone_though_it_shares_a_transaction()
    {
        await using var engine = new SqliteEngine(
            File, "a test", TimeProvider.System, new ManualLeaseClock(), new LogSignal(TimeProvider.System), NullLogger.Instance);
        await engine.OpenAsync();
        using var gate = new ManualResetEventSlim();
        var first = engine.ReadAsync(_ => gate.Wait(TimeSpan.FromSeconds(30)), default);

        // Queued behind the gate, so that all of them form one group.
        var works = Enumerable.Range(0, 20).Select(i => engine.WriteAsync(
            s =>
            {
                s.Execute("insert into controllers (id, version, hash, heartbeat_at) values ($1, '1', '', 0)", $"co-{i}");
                return i % 2 == 0 ? i : throw new InvalidOperationException("odd");
            },
            default)).ToArray();
        gate.Set();
        await first;
        for (var i = 0; i < works.Length; i++)
        {
            if (i % 2 == 0)
            {
                Assert.Equal(i, await works[i]);
            }
            else
            {
                await Assert.ThrowsAsync<InvalidOperationException>(() => works[i]);
            }
        }

        Assert.Equal(10, await engine.ReadAsync(s => s.Scalar("select count(*) from controllers"), default));
    }

    private static async Task<BackendIdentity> AcquireAsync(IPlaneStore store, string key)
    {
        await RegisterAsync(store);
        var result = await store.AcquireAsync(Request(key), default);
        Assert.Equal(AcquireOutcome.Acquired, result.Outcome);
        return result.Holder!.Identity;
    }

    private static async Task<FencingToken> AcquireTokenAsync(IPlaneStore store, string key) => (await AcquireAsync(store, key)).Token;

    private async Task<SqliteStore> OpenAsync(string? file = null, ILeaseClock? clock = null, TimeProvider? wall = null)
    {
        var store = new SqliteStore(file ?? File, s_numbers, NullLoggerFactory.Instance, wall ?? TimeProvider.System, clock ?? new ManualLeaseClock());
        await store.InitializeAsync(default);
        return store;
    }

    private async Task<List<string>> PlanAsync(string sql, params object?[] values)
    {
        await (await OpenAsync()).DisposeAsync();
        await using var engine = new SqliteEngine(
            File, "a test", TimeProvider.System, new ManualLeaseClock(), new LogSignal(TimeProvider.System), NullLogger.Instance);
        await engine.OpenAsync();
        return await engine.ReadAsync(s => s.Query("explain query plan " + sql, static r => r.GetString(3), values), default);
    }

    private async Task ExecuteAsync(string sql)
    {
        SQLitePCL.Batteries_V2.Init();
        await using var connection = new SqliteConnection($"Data Source={File};Pooling=False");
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync();
    }

    private sealed class ManualTime(DateTimeOffset now) : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = now;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
