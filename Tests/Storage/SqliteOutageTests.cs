using Microsoft.Data.Sqlite;
using Plane.Storage;
using Plane.Storage.Sqlite;
using Plane.Testing;
using static Plane.Tests.Storage.OneDrone;

namespace Plane.Tests.Storage;

/// <summary>A database file that cannot be written for a while, and programs of an operator beside the controller.</summary>
public sealed class SqliteOutageTests : IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly CollectingLogger _log = new();

    private string File => _directory["plane.db"];

    private int Begun => _log.Lines.Count(l => l.StartsWith("Warning 2240", StringComparison.Ordinal));

    private int Ended => _log.Lines.Count(l => l.StartsWith("Information 2241", StringComparison.Ordinal));

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_full_disk_is_named_once_in_the_log_and_in_every_answer_and_is_over_once_there_is_room()
    {
        using var disk = await SmallDisk.MountAsync();
        await using var store = await OpenAsync(disk["plane.db"]);
        await RegisterAsync(store);
        disk.Fill();
        await FailsAsync(store, "is full");
        disk.Free();
        await EndsAsync(store);
    }

    [Fact]
    public async Task A_question_for_health_alone_finds_a_full_disk()
    {
        using var disk = await SmallDisk.MountAsync();
        await using var store = await OpenAsync(disk["plane.db"]);
        disk.Fill();

        // What it writes may still find room, what a connect would write does not.
        var failure = await Record.ExceptionAsync(() => store.PingAsync(default));
        Assert.True(failure is null or StoreUnavailableException, $"{failure}");
        await Eventually.SeenAsync(() => store.Outage?.Reason, reason => reason?.Contains("is full", StringComparison.Ordinal) == true, "the outage is known");
        disk.Free();
        await Eventually.SeenAsync(() => store.Outage, outage => outage is null, "the outage ends by itself");
    }

    [Fact]
    public async Task A_store_whose_disk_was_full_at_the_start_opens_once_there_is_room()
    {
        using var disk = await SmallDisk.MountAsync();
        disk.Fill();
        await using var store = New(disk["plane.db"]);
        Assert.Contains("is full", (await Assert.ThrowsAsync<StoreUnavailableException>(() => store.InitializeAsync(default))).Message, StringComparison.Ordinal);
        disk.Free();
        await store.InitializeAsync(default);
        await store.PingAsync(default);
    }

    [Fact]
    public async Task A_file_that_another_program_locks_is_waited_for_and_what_only_reads_goes_on()
    {
        await using var store = await OpenAsync(File);
        await RegisterAsync(store);
        await using var other = await OtherAsync();
        Execute(other, "begin exclusive");
        await FailsAsync(store, "another program has locked");
        Execute(other, "rollback");
        await EndsAsync(store);
    }

    [Fact]
    public async Task A_file_that_was_renamed_is_not_written_until_it_is_back()
    {
        await using var store = await OpenAsync(File);
        await RegisterAsync(store);
        System.IO.File.Move(File, File + ".old");
        await FailsAsync(store, "removed or renamed");
        System.IO.File.Move(File + ".old", File);
        await EndsAsync(store);
    }

    [Fact]
    public async Task What_only_reads_is_answered_by_what_is_stored_where_its_transaction_could_not_be_written()
    {
        await using var engine = new SqliteEngine(File, "a test", TimeProvider.System, new ManualLeaseClock(), new LogSignal(TimeProvider.System), _log);
        await engine.OpenAsync();
        using var gate = new ManualResetEventSlim();
        var running = new TaskCompletionSource();
        var first = engine.ReadAsync(
            _ =>
            {
                running.SetResult();
                return gate.Wait(TimeSpan.FromSeconds(30));
            },
            default);
        await running.Task;
        var write = engine.WriteAsync(s => s.Execute("insert into controllers (id, version, hash, heartbeat_at) values ('co-a', '', '', 0)"), default);
        var read = engine.ReadAsync(s => s.Scalar("select count(*) from controllers"), default);
        await using (var other = await OtherAsync())
        {
            Execute(other, "begin immediate");
            gate.Set();
            await first;
            await Assert.ThrowsAsync<StoreUnavailableException>(() => write);
            Assert.Equal(0, await read);
        }
    }

    [Fact]
    public async Task An_operators_long_read_is_named_when_the_log_has_grown_by_it()
    {
        await using var engine = new SqliteEngine(File, "a test", TimeProvider.System, new ManualLeaseClock(), new LogSignal(TimeProvider.System), _log);
        await engine.OpenAsync();
        await using (var other = await OtherAsync())
        {
            Execute(other, "begin; select count(*) from installation");
            await Eventually.SeenAsync(
                async token =>
                {
                    await engine.WriteAsync(s => s.Execute("insert or replace into probe (single, filler) values (1, randomblob(4000000))"), token);
                    return _log.Lines.Count(l => l.StartsWith("Warning 2306 plane.db-wal", StringComparison.Ordinal));
                },
                lines => lines == 1,
                "the large log is named");
            Execute(other, "rollback");
        }

        await Eventually.SeenAsync(
            async token =>
            {
                await engine.WriteAsync(static s => s.Execute("insert or replace into probe (single, filler) values (1, randomblob(4000000))"), token);
                return _log.Lines.Any(l => l.StartsWith("Information 2307", StringComparison.Ordinal));
            },
            seen => seen,
            "the log is small again");
        Assert.Equal(0, Begun);
    }

    [Theory]
    [InlineData(".backup '{0}'")]
    [InlineData("vacuum into '{0}'")]
    public async Task A_backup_beside_a_controller_that_writes_is_a_consistent_database(string command)
    {
        await using var store = await OpenAsync(File);
        await RegisterAsync(store);
        await store.AcquireAsync(Request("before"), default);
        using var stop = new CancellationTokenSource();
        var load = Task.Run(async () =>
        {
            var acquired = 0;
            while (!stop.IsCancellationRequested)
            {
                acquired += (await store.AcquireAsync(Request($"key-{acquired}"), default)).Outcome == AcquireOutcome.Acquired ? 1 : 0;
            }

            return acquired;
        });
        var copy = _directory["copy.db"];
        var (code, lines) = await RunningProgram.RunAsync("sqlite3", [File, string.Format(System.Globalization.CultureInfo.InvariantCulture, command, copy)]);
        await stop.CancelAsync();
        await load;
        Assert.True(code == 0, string.Join('\n', lines));
        Assert.Equal(0, Begun);

        var (checkedWith, answer) = await RunningProgram.RunAsync("sqlite3", [copy, "pragma integrity_check; pragma foreign_key_check"]);
        Assert.True(checkedWith == 0 && answer is ["ok"], string.Join('\n', answer));
        await using var restored = await OpenAsync(copy);
        Assert.Equal(store.InstallationId, restored.InstallationId);
        Assert.NotNull(await restored.ReadHolderAsync(new KeyConfig { Name = "before" }, default));

        // Each acquisition is whole: a key with its backend, its action and its history, or none of them.
        await using var connection = new SqliteConnection($"Data Source={copy};Pooling=False");
        await connection.OpenAsync();
        Assert.Equal(0L, Scalar(connection, "select count(*) from keys k where not exists (select 1 from history h where h.backend_id = k.backend_id) or not exists (select 1 from actions a where a.backend_id = k.backend_id)"));
    }

    private async Task FailsAsync(SqliteStore store, string cause)
    {
        var failed = await Eventually.SeenAsync(
            async _ =>
            {
                try
                {
                    await store.AcquireAsync(Request($"key-{Guid.NewGuid():N}"), default);
                    return null;
                }
                catch (StoreUnavailableException e)
                {
                    return e.Message;
                }
            },
            message => message is not null,
            "what is written fails");
        Assert.Contains(cause, failed, StringComparison.Ordinal);
        Assert.Contains(cause, store.Outage!.Reason, StringComparison.Ordinal);
        Assert.Contains(cause, (await Assert.ThrowsAsync<StoreUnavailableException>(() => store.PingAsync(default))).Message, StringComparison.Ordinal);

        // What reads continues; and however much fails, the log has one line without a trace.
        for (var i = 0; i < 3; i++)
        {
            Assert.Null(await store.ReadBackendAsync(BackendName.NewRandom(), default));
            await Assert.ThrowsAsync<StoreUnavailableException>(() => store.AcquireAsync(Request("none"), default));
        }

        Assert.Equal(1, Begun);
        Assert.Equal(0, Ended);
        Assert.DoesNotContain(_log.Lines, l => l.StartsWith("Error", StringComparison.Ordinal));
    }

    private async Task EndsAsync(SqliteStore store)
    {
        await Eventually.SeenAsync(() => store.Outage, outage => outage is null, "the outage ends by itself");
        await store.PingAsync(default);
        await RegisterAsync(store);
        Assert.Equal(AcquireOutcome.Acquired, (await store.AcquireAsync(Request("after"), default)).Outcome);
        Assert.Equal((1, 1), (Begun, Ended));
    }

    private async Task<SqliteConnection> OtherAsync()
    {
        var other = new SqliteConnection($"Data Source={File};Pooling=False");
        await other.OpenAsync();
        return other;
    }

    private static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteScalar();
    }

    private static long Scalar(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return (long)command.ExecuteScalar()!;
    }

    private SqliteStore New(string file) => new(file, new LeaseOptions(), _log, TimeProvider.System, new ManualLeaseClock());

    private async Task<SqliteStore> OpenAsync(string file)
    {
        var store = New(file);
        await store.InitializeAsync(default);
        return store;
    }
}
