using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Plane.Grains;
using Plane.Grains.Clocks;
using Plane.Grains.Metrics;
using Plane.Grains.Storage;
using Plane.Tests.Storage;
using Plane.Tests.Support;
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
        await Assert.ThrowsAsync<StoreUnavailableException>(() => watch.ReadAsync(() => throw new StoreUnavailableException()));
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
        using var directory = new TempDirectory();
        var offset = directory["offset"];
        File.WriteAllText(offset, "+0");
        Permit(directory.Path, offset);
        await using var server = await PostgresServer.StartAsync(_output, environment: new Dictionary<string, string?>
        {
            ["LD_PRELOAD"] = FakeTime(),
            ["FAKETIME_TIMESTAMP_FILE"] = offset,
            ["FAKETIME_NO_CACHE"] = "1",
            ["FAKETIME_DISABLE_SHM"] = "1",
            ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1",
        });
        await using var store = StoreFactory.Create($"postgres://postgres@127.0.0.1:{server.Port}/postgres", new LeaseNumbers());
        await store.InitializeAsync(default);
        var watch = Watch(BootTimeClock.Instance);
        Task ReadAsync() => watch.ReadAsync(() => store.HeartbeatControllerAsync(ControllerName.Parse("co-test"), "1", "", default));
        await ReadAsync();
        await ReadAsync();
        Assert.Empty(_steps);
        File.WriteAllText(offset, "+30");
        await ReadAsync();
        Assert.Equal(["forward"], _steps);
        File.WriteAllText(offset, "-15");
        await ReadAsync();
        await ReadAsync();
        Assert.Equal(["forward", "back"], _steps);
        Assert.Equal(["Error 2111", "Warning 2110"], _log.Lines.Select(l => string.Join(' ', l.Split(' ').Take(2))));

        // What the two readings leave open is not counted as part of it.
        Assert.Matches(@"stepped 4[45](\.\d+)? s back", _log.Lines.Last());
    }

    private static void Permit(string directory, string file)
    {
        File.SetUnixFileMode(directory, (UnixFileMode)0b111_101_101);
        File.SetUnixFileMode(file, (UnixFileMode)0b110_100_100);
    }

    private static string FakeTime() => Directory.GetDirectories("/usr/lib").Append("/usr/local/lib")
        .SelectMany(d => new[] { $"{d}/faketime/libfaketime.so.1", $"{d}/libfaketime.so.1" })
        .FirstOrDefault(File.Exists) ?? throw new InvalidOperationException("libfaketime was not found: install the package faketime");

    private DatabaseClockWatch Watch(ILeaseClock clock) =>
        new(clock, new GrainOptions(), new ControllerMetrics(_meters), _log.CreateLogger<DatabaseClockWatch>());
}
