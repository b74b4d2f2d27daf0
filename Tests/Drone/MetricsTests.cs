using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Plane.DroneHost;
using Plane.DroneHost.Runtimes;
using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>What the drone measures.</summary>
public sealed class MetricsTests
{
    [Fact]
    public async Task The_usage_of_what_runs_is_summed_and_names_no_backend()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Options.UsageEvery = TimeSpan.FromMilliseconds(20));
        await drone.ReadyBackendAsync();
        await drone.ReadyBackendAsync();
        var seen = new Seen(drone.Services.GetRequiredService<IMeterFactory>());
        using var listener = seen.Listener;

        await Eventually.SeenAsync(
            seen.Read,
            s => s.Contains("plane.drone.backends.memory=8192", StringComparison.Ordinal) && s.Contains("plane.backend.memory=4096", StringComparison.Ordinal),
            "the memory of both, and of each");

        Assert.DoesNotContain(seen.Labels, l => l == "backend");
    }

    [Fact]
    public void Cpu_is_the_use_between_two_readings_of_those_that_were_in_both()
    {
        using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var meters = services.GetRequiredService<IMeterFactory>();
        var time = new StoppedTime();
        var metrics = new DroneMetrics(meters, time);
        var seen = new Seen(meters);
        using var listener = seen.Listener;
        var (one, two) = (FakeController.NewIdentity(), FakeController.NewIdentity());

        metrics.SetUsage([new BackendUsage(one, 5_000_000_000, 0)]);
        time.Now += TimeSpan.FromSeconds(10).Ticks;
        metrics.SetUsage([new BackendUsage(one, 20_000_000_000, 0), new BackendUsage(two, 900_000_000_000, 0)]);

        Assert.Contains("plane.drone.backends.cpu=1.5", seen.Read(), StringComparison.Ordinal);
        Assert.Contains("plane.backend.cpu=1.5", seen.Read(), StringComparison.Ordinal);
        metrics.SetUsage([]);
        Assert.Contains("plane.drone.backends.cpu=0", seen.Read(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_ended_backends_left_is_pruned()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Options.PruneEvery = TimeSpan.FromMilliseconds(20));

        await Eventually.TrueAsync(() => drone.Runtime.Pruned > 1, "the runtime is pruned");
    }

    /// <summary>The last measurement of each of a drone's instruments.</summary>
    private sealed class Seen
    {
        private readonly ConcurrentDictionary<string, double> _values = new();

        public Seen(IMeterFactory meters)
        {
            Listener = new MeterListener
            {
                InstrumentPublished = (instrument, l) =>
                {
                    if (instrument.Meter.Name == "plane.drone" && instrument.Meter.Scope == meters)
                    {
                        l.EnableMeasurementEvents(instrument);
                    }
                },
            };
            Listener.SetMeasurementEventCallback<double>((i, v, tags, _) => Take(i, v, tags));
            Listener.SetMeasurementEventCallback<long>((i, v, tags, _) => Take(i, v, tags));
            Listener.SetMeasurementEventCallback<int>((i, v, tags, _) => Take(i, v, tags));
            Listener.Start();
        }

        public MeterListener Listener { get; }

        public ConcurrentBag<string> Labels { get; } = [];

        public string Read()
        {
            Listener.RecordObservableInstruments();
            return string.Join(", ", _values.Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Key}={s.Value}")).Order());
        }

        private void Take(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            _values[instrument.Name] = value;
            foreach (var (name, _) in tags)
            {
                Labels.Add(name);
            }
        }
    }

    private sealed class StoppedTime : TimeProvider
    {
        public long Now { get; set; } = 1;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now;
    }
}
