using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Npgsql;
using Plane.Grains;
using Plane.Grains.Metrics;
using Plane.Storage;
using Plane.Tests.Storage;
using Plane.Testing;
using Xunit.Abstractions;

namespace Plane.Tests.Grains;

public sealed class DatabaseClockTests : IDisposable
{
    private readonly TestMeters _meters = new();
    private readonly MeterListener _listener = new();
    private readonly CollectingLogger _log = new();
    private readonly List<string> _steps = [];
    private readonly ITestOutputHelper _output;

    public DatabaseClockTests(ITestOutputHelper output)
    {
        _output = output;
        _listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Name == "plane.controller.database.clock_steps" && instrument.Meter.Scope == _meters)
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((_, _, tags, _) => _steps.Add((string)tags[0].Value!));
        _listener.Start();
    }

    public void Dispose()
    {
        _listener.Dispose();
        _meters.Dispose();
    }

    [Theory]
    [InlineData(5_000, 0, 5_000, "")]
    [InlineData(5_000, 0, 5_090, "")] // drift
    [InlineData(5_000, 3_000, 5_000, "")] // a slow answer, whenever the clock was read
    [InlineData(5_000, 3_000, 8_000, "")]
    [InlineData(5_000, 0, 7_000, "forward")]
    [InlineData(5_000, 0, 65_000, "forward")]
    [InlineData(5_000, 0, 3_000, "back")]
    [InlineData(5_000, 0, -3_600_000, "back")]
    [InlineData(3_600_000, 0, 3_600_000, "")] // the machine slept
    public async Task A_step_is_what_no_moment_of_the_reading_explains(int between, int answer, int database, string step)
    {
        var clock = new ManualLeaseClock();
        var watch = Watch(clock);
        var at = DateTimeOffset.UnixEpoch.AddYears(50);
        await watch.ReadAsync(() => Task.FromResult(at));
        clock.Advance(TimeSpan.FromMilliseconds(between));
        await watch.ReadAsync(() =>
        {
            clock.Advance(TimeSpan.FromMilliseconds(answer));
            return Task.FromResult(at.AddMilliseconds(database));
        });
        Assert.Equal(step.Length == 0 ? [] : [step], _steps);
        Assert.Equal(_steps.Count, _log.Lines.Count);
    }

    [Fact]
    public async Task A_step_beyond_what_leases_allow_for_is_an_error_that_says_so()
    {
        var clock = new ManualLeaseClock();
        var watch = Watch(clock);
        var at = DateTimeOffset.UnixEpoch.AddYears(50);
        await watch.ReadAsync(() => Task.FromResult(at));
        await watch.ReadAsync(() => Task.FromResult(at.AddSeconds(9)));
        await watch.ReadAsync(() => Task.FromResult(at.AddSeconds(20)));
        Assert.Equal(["Warning 2110", "Error 2111"], _log.Lines.Select(l => string.Join(' ', l.Split(' ').Take(2))));
    }

    [Fact]
    public async Task A_reading_that_failed_is_bridged_by_the_next()
    {
        var clock = new ManualLeaseClock();
        var watch = Watch(clock);
        var at = DateTimeOffset.UnixEpoch.AddYears(50);
        await watch.ReadAsync(() => Task.FromResult(at));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => watch.ReadAsync(() => throw new StoreUnavailableException("the database is unavailable")));
        clock.Advance(TimeSpan.FromSeconds(60));
        await watch.ReadAsync(() => Task.FromResult(at.AddSeconds(60)));
        Assert.Empty(_steps);
        clock.Advance(TimeSpan.FromSeconds(7));
        await watch.ReadAsync(() => Task.FromResult(at.AddSeconds(77)));
        Assert.Equal(["forward"], _steps);
    }

    [Fact]
    public async Task Steps_of_a_real_servers_clock_are_noticed_both_ways()
    {
        await using var clock = await SteppedServer.StartAsync(_output);
        var server = clock.Server;
        await using var store = StoreFactory.Create($"postgres://postgres@127.0.0.1:{server.Port}/postgres", new LeaseOptions());
        await store.InitializeAsync(default);
        var watch = Watch(BootTimeClock.Instance);
        Task ReadAsync() => watch.ReadAsync(() => store.HeartbeatControllerAsync(ControllerName.Parse("co-test"), "1", "", default));
        await ReadAsync();
        await ReadAsync();
        Assert.Empty(_steps);
        clock.Set("+30");
        await ReadAsync();
        Assert.Equal(["forward"], _steps);
        clock.Set("-15");
        await ReadAsync();
        await ReadAsync();
        Assert.Equal(["forward", "back"], _steps);
        Assert.Equal(["Error 2111", "Warning 2110"], _log.Lines.Select(l => string.Join(' ', l.Split(' ').Take(2))));

        // What the two readings leave open is not counted as part of it.
        Assert.Matches(@"stepped 4[45](\.\d+)? s back", _log.Lines.Last());
    }

    /// <summary>now() of a transaction that was open when the clock was set back is later than moments after it.</summary>
    [Fact]
    public async Task A_lease_from_after_a_step_back_is_not_taken_by_a_transaction_from_before_it()
    {
        await using var clock = await SteppedServer.StartAsync(_output);
        var url = $"postgres://postgres@127.0.0.1:{clock.Server.Port}/postgres";
        await using var store = StoreFactory.Create(url, new LeaseOptions());
        await store.InitializeAsync(default);
        await OneDrone.RegisterAsync(store);
        await store.AcquireAsync(OneDrone.Request("one"), default);
        await using var connection = new NpgsqlConnection(clock.Server.AdminConnectionString);
        await connection.OpenAsync();
        async Task<int> SweepAsync() => (int)(await new NpgsqlCommand("select plane.sweep_lost(10)", connection).ExecuteScalarAsync())!;

        clock.Set("+3600");
        await using (var before = await connection.BeginTransactionAsync())
        {
            // The transaction begins with its first statement.
            await new NpgsqlCommand("select now()", connection).ExecuteScalarAsync();
            clock.Set("+0");
            Assert.Equal(0, await SweepAsync());
            await before.CommitAsync();
        }

        Assert.NotNull(await store.ReadHolderAsync(new KeyConfig { Name = "one" }, default));
        clock.Set("+3600");
        Assert.Equal(1, await SweepAsync());
    }

    private DatabaseClockWatch Watch(ILeaseClock clock) =>
        new(clock, new GrainOptions(), new ControllerMetrics(_meters), _log.CreateLogger<DatabaseClockWatch>());
}
