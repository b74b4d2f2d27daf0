using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Plane.Tests.Support;

namespace Plane.Tests.Drone;

/// <summary>What the drone measures.</summary>
public sealed class MetricsTests
{
    [Fact]
    public async Task The_usage_of_each_running_backend_is_measured()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Options.UsageEvery = TimeSpan.FromMilliseconds(20));
        var backend = await drone.ReadyBackendAsync();
        var meters = drone.Services.GetRequiredService<IMeterFactory>();
        var seen = new System.Collections.Concurrent.ConcurrentDictionary<string, double>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter.Name == "plane.drone" && instrument.Meter.Scope == meters)
                {
                    l.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((i, v, tags, _) => seen[$"{i.Name} {Tag(tags)}"] = v);
        listener.SetMeasurementEventCallback<long>((i, v, tags, _) => seen[$"{i.Name} {Tag(tags)}"] = v);
        listener.Start();

        await Eventually.SeenAsync(
            () =>
            {
                listener.RecordObservableInstruments();
                return string.Join(", ", seen.Select(s => $"{s.Key}={s.Value}").Order());
            },
            s => s.Contains($"plane.backend.cpu {backend.Backend}=2", StringComparison.Ordinal)
                && s.Contains($"plane.backend.memory {backend.Backend}=4096", StringComparison.Ordinal),
            "cpu and memory of the backend");
    }

    [Fact]
    public async Task What_ended_backends_left_is_pruned()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Options.PruneEvery = TimeSpan.FromMilliseconds(20));

        await Eventually.TrueAsync(() => drone.Runtime.Pruned > 1, "the runtime is pruned");
    }

    private static object? Tag(ReadOnlySpan<KeyValuePair<string, object?>> tags) => tags.Length > 0 ? tags[0].Value : null;
}
