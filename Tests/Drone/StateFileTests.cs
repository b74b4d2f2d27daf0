using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using Plane.DroneHost;
using Plane.DroneHost.State;
using Plane.Hosting.Running;
using Plane.Hosting;
using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>The state file: who may open it, what is refused, and how it is written.</summary>
public sealed class StateFileTests : IDisposable
{
    // https://www.sqlite.org/pragma.html#pragma_synchronous
    private const long Normal = 1;
    private const long Full = 2;

    private readonly TempDirectory _directory = new();

    private string StatePath => _directory["drone.db"];

    [Fact]
    public async Task A_second_agent_is_refused_and_told_who_holds_the_file()
    {
        await using var first = await OpenAsync();

        var e = await Assert.ThrowsAsync<StartRefusedException>(() => OpenAsync());

        Assert.Contains($"pid {Environment.ProcessId}", e.Message, StringComparison.Ordinal);
        Assert.Equal(ExitCodes.Usage, e.ExitCode);
    }

    [Fact]
    public async Task It_can_be_opened_again_once_it_is_closed()
    {
        await (await OpenAsync()).DisposeAsync();

        await (await OpenAsync()).DisposeAsync();
    }

    [Fact]
    public async Task Only_its_owner_may_read_it()
    {
        await using var state = await OpenAsync();
        await state.StoreRegistrationAsync("in-one", new LeaseOptions());

        foreach (var file in Directory.GetFiles(_directory.Path, "drone.db*"))
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        }
    }

    [Fact]
    public async Task A_file_that_is_no_database_is_refused_and_stays_as_it_is()
    {
        var text = new string('x', 5_000);
        await File.WriteAllTextAsync(StatePath, text);

        var e = await Assert.ThrowsAsync<StartRefusedException>(() => OpenAsync());

        Assert.Contains("not a drone's state file", e.Message, StringComparison.Ordinal);
        Assert.Equal(text, await File.ReadAllTextAsync(StatePath));
    }

    [Fact]
    public async Task A_database_of_something_else_is_refused_and_stays_as_it_is()
    {
        Execute("create table theirs (x)");

        var e = await Assert.ThrowsAsync<StartRefusedException>(() => OpenAsync());

        Assert.Contains("not a drone's state file", e.Message, StringComparison.Ordinal);
        Execute("insert into theirs values (1)");
    }

    [Fact]
    public async Task A_file_of_a_newer_version_is_refused()
    {
        await (await OpenAsync()).DisposeAsync();
        Execute("pragma user_version = 99");

        var e = await Assert.ThrowsAsync<StartRefusedException>(() => OpenAsync());

        Assert.Contains("newer version", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_damaged_file_is_refused()
    {
        await (await OpenAsync()).DisposeAsync();
        await using (var file = File.OpenWrite(StatePath))
        {
            file.Position = 4096;
            await file.WriteAsync(Enumerable.Repeat((byte)0xA5, (int)file.Length - 4096).ToArray());
        }

        var e = await Assert.ThrowsAsync<StartRefusedException>(() => OpenAsync());

        Assert.Contains("damaged", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("other.example", null)]
    [InlineData("test.example", "dr-other")]
    public async Task A_file_of_another_drone_is_refused(string cluster, string? name)
    {
        await (await OpenAsync()).DisposeAsync();

        var e = await Assert.ThrowsAsync<StartRefusedException>(() => OpenAsync(cluster, name));

        Assert.Contains("belongs to", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Writes_of_one_moment_share_a_commit()
    {
        await using var state = await OpenAsync();
        using var go = new ManualResetEventSlim();
        var first = state.Writer.WriteAsync(_ => go.Wait(TimeSpan.FromSeconds(90)));
        var before = state.Writer.Commits;

        var rest = Enumerable.Range(0, 100).Select(_ => state.Writer.WriteAsync(_ => true)).ToList();
        go.Set();
        await Task.WhenAll([first, .. rest]);

        Assert.InRange(state.Writer.Commits - before, 1, 2);
    }

    [Fact]
    public async Task A_write_that_fails_takes_no_other_with_it()
    {
        await using var state = await OpenAsync();
        using var go = new ManualResetEventSlim();
        var first = state.Writer.WriteAsync(_ => go.Wait(TimeSpan.FromSeconds(90)));
        var good = state.Writer.WriteAsync(s => s.Execute("insert into meta values ('good', '1')"));
        var bad = state.Writer.WriteAsync<bool>(_ => throw new InvalidOperationException("for the test"));
        var better = state.Writer.WriteAsync(s => s.Execute("insert into meta values ('better', '1')"));
        go.Set();

        await Assert.ThrowsAsync<InvalidOperationException>(() => bad);
        Assert.Equal((true, 1, 1), (await first, await good, await better));
    }

    [Fact]
    public async Task The_secrets_of_an_order_leave_the_file_with_its_end()
    {
        await using var state = await OpenAsync();
        var identity = FakeController.NewIdentity();
        var order = new SpawnOrder
        {
            Executable = new Executable { Command = ["x"], Env = new() { ["PASSWORD"] = "secret" } },
            Key = new KeyConfig { Name = "k" },
            Deadlines = new LeaseOptions().DeadlinesFrom(0, "i", "b"),
        };
        await state.ApplyActionsAsync([new DroneAction { Number = 1, Identity = identity, Kind = DroneActionKind.Spawn, Spawn = order }], _ => null);
        Assert.Equal("secret", (await state.ReadBackendsAsync()).Single().Order!.Executable.Env!["PASSWORD"]);

        await state.RecordAsync(new StateChange { Identity = identity, Status = BackendStatus.Terminated, EndedAt = 5, Boot = "b" }, durable: true);

        Assert.Null((await state.ReadBackendsAsync()).Single().Order);
    }

    [Fact]
    public async Task A_hard_end_that_was_asked_for_is_not_softened_by_a_step_that_is_recorded_after_it()
    {
        await using var state = await OpenAsync();
        var identity = FakeController.NewIdentity();
        var order = new SpawnOrder
        {
            Executable = new Executable { Command = ["x"] },
            Key = new KeyConfig { Name = "k" },
            Deadlines = new LeaseOptions().DeadlinesFrom(0, "i", "b"),
        };
        DroneAction End(long number, TerminationKind kind) => new()
        {
            Number = number,
            Identity = identity,
            Kind = DroneActionKind.Terminate,
            Terminate = new TerminateOrder { Kind = kind, Reason = TerminationReason.External },
        };
        await state.ApplyActionsAsync([new DroneAction { Number = 1, Identity = identity, Kind = DroneActionKind.Spawn, Spawn = order }], _ => null);
        await state.ApplyActionsAsync([End(2, TerminationKind.Soft)], _ => null);
        await state.ApplyActionsAsync([End(3, TerminationKind.Hard)], _ => null);

        // The step of the soft end waited for the disk.
        await state.RecordAsync(new StateChange
        {
            Identity = identity,
            Status = BackendStatus.Terminating,
            Reason = TerminationReason.External,
            Kind = TerminationKind.Soft,
        }, durable: true);
        await state.RecordAsync(new StateChange { Identity = identity, Status = BackendStatus.HardTerminating }, durable: true);

        Assert.Equal(TerminationKind.Hard, (await state.ReadBackendsAsync()).Single().EndKind);
    }

    [Fact]
    public async Task A_step_on_which_no_deed_rests_and_a_claim_wait_for_no_sync_of_the_disk_and_an_acknowledged_claim_has()
    {
        await using var state = await OpenAsync();
        var identity = FakeController.NewIdentity();
        var order = new SpawnOrder
        {
            Key = new KeyConfig { Name = "k" },
            Executable = new Executable { Command = ["x"] },
            Deadlines = new LeaseOptions().DeadlinesFrom(0, "i", "b"),
        };
        var asked = 0;

        // Of a text of its own each time: SQLite answers as of when it prepares.
        Task<long?> SynchronousAsync() => state.Writer.ReadAsync(s => s.Scalar($"pragma synchronous -- {++asked}"));
        await state.ApplyActionsAsync([new DroneAction { Number = 1, Identity = identity, Kind = DroneActionKind.Spawn, Spawn = order }], _ => null);
        Assert.Equal(Full, await SynchronousAsync());
        await state.RecordAsync(new StateChange { Identity = identity, Status = BackendStatus.Waiting }, durable: false);
        Assert.Equal(Normal, await SynchronousAsync());
        await state.RecordAsync(new StateChange { Identity = identity, Status = BackendStatus.Ready }, durable: true);
        Assert.Equal(Full, await SynchronousAsync());

        var claim = new ClaimOrder { Key = new KeyConfig { Name = "b" }, Service = ServiceName.Parse("s"), StartToken = identity.Token };
        var claimed = identity with { Token = new FencingToken(identity.Token.Value + 1) };
        await state.ApplyActionsAsync([new DroneAction { Number = 2, Identity = claimed, Kind = DroneActionKind.Claim, Claim = claim }], _ => null);
        Assert.Equal(Normal, await SynchronousAsync());
        await state.SyncAsync();
        Assert.Equal(Full, await SynchronousAsync());
    }

    [Fact]
    public async Task An_ended_backend_is_forgotten_only_after_its_last_event_was_acknowledged_and_its_port_has_rested()
    {
        await using var state = await OpenAsync();
        var identity = FakeController.NewIdentity();
        var order = new SpawnOrder
        {
            Executable = new Executable { Command = ["x"] },
            Key = new KeyConfig { Name = "k" },
            Deadlines = new LeaseOptions().DeadlinesFrom(0, "i", "b"),
        };
        await state.ApplyActionsAsync([new DroneAction { Number = 1, Identity = identity, Kind = DroneActionKind.Spawn, Spawn = order }], _ => null);
        await state.RecordAsync(new StateChange { Identity = identity, Status = BackendStatus.Terminated, EndedAt = 5_000, Boot = "b" }, durable: true);

        Assert.Equal(0, await state.ForgetEndedAsync(6_000, "b"));
        await state.RemoveFromOutboxAsync([.. (await state.ReadOutboxAsync(10)).Select(e => e.Sequence)]);
        Assert.Equal(0, await state.ForgetEndedAsync(5_000, "b"));
        Assert.Equal(1, await state.ForgetEndedAsync(5_001, "b"));
    }

    public void Dispose() => _directory.Dispose();

    private Task<DurableState> OpenAsync(string cluster = "test.example", string? name = null) => DurableState.OpenAsync(
        new DroneOptions { Cluster = cluster, Name = name, StateFile = StatePath }, TimeProvider.System, NullLogger.Instance);

    private void Execute(string sql)
    {
        using var connection = new SqliteConnection($"Data Source={StatePath};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Constants of this file.
        command.CommandText = sql;
#pragma warning restore CA2100
        command.ExecuteNonQuery();
    }
}
