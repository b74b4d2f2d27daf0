using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Plane.Grains.Metrics;
using Plane.Testing;

namespace Plane.Tests.Grains;

public sealed class MetricsTests
{
    [Fact]
    public async Task What_the_controller_does_is_counted_by_outcome()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var scope = plane.SiloServices.GetRequiredService<IMeterFactory>();
        var seen = new ConcurrentDictionary<string, double>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, l) =>
            {
                // Other tests' silos have meters of the same name.
                if (instrument.Meter.Name == ControllerMetrics.MeterName && ReferenceEquals(instrument.Meter.Scope, scope))
                {
                    l.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((i, value, tags, _) => Add(i, value, tags));
        listener.SetMeasurementEventCallback<int>((i, value, tags, _) => Add(i, value, tags));
        listener.SetMeasurementEventCallback<double>((i, value, tags, _) => Add(i, value, tags));
        listener.Start();
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var command = Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn());
        var holder = await plane.ConnectedAsync(command);
        await plane.ConnectedAsync(Commands.Connect(command.Key, cluster));
        await plane.ConnectAsync(Commands.Connect(command.Key with { Tag = "x" }, cluster));
        await drone.RenewAsync(1, holder.Identity);
        await drone.ReachAsync(holder.Identity, BackendStatus.Ready);
        await drone.ReportAsync(drone.Event(holder.Identity, BackendStatus.Loading));
        var waiting = plane.Backend(holder.Identity).ReadStatus(BackendStatus.Ready, TimeSpan.FromSeconds(5));
        await Eventually.TrueAsync(() => seen.GetValueOrDefault("plane.controller.waiting call=status") == 1, "a waiting call");
        await drone.ReachAsync(holder.Identity, BackendStatus.Terminated);
        await waiting;
        listener.RecordObservableInstruments();

        Assert.Equal(1, seen["plane.controller.connects outcome=spawned"]);
        Assert.Equal(1, seen["plane.controller.connects outcome=reused"]);
        Assert.Equal(1, seen["plane.controller.connects outcome=key_held"]);
        Assert.Equal(1, seen["plane.controller.renewals outcome=renewed"]);
        Assert.Equal(2, seen["plane.controller.states outcome=applied"]);
        Assert.Equal(1, seen["plane.controller.states outcome=refused"]);
        Assert.True(seen["plane.controller.feed.changes"] >= 2);
        Assert.Contains("plane.controller.feed.lag", seen.Keys);
        await Eventually.TrueAsync(() => seen.GetValueOrDefault("plane.controller.waiting call=status") == 0, "no waiting call");

        void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            var name = instrument.Name + string.Concat(tags.ToArray().Select(t => $" {t.Key}={t.Value}"));
            seen.AddOrUpdate(name, value, (_, sum) => sum + value);
        }
    }
}
