using System.Reflection;
using Microsoft.Extensions.Logging;
using Plane.Drone;
using Plane.Hosting;
using Plane.Proxy;
using Plane.Silo;

namespace Plane.Tests.Drone;

/// <summary>An operator's filter on an event id must not catch another role's event.</summary>
public sealed class EventIdTests
{
    [Fact]
    public void The_drones_event_ids_are_its_own()
    {
        var drone = IdsOf(typeof(DroneOptions).Assembly);
        var others = new[] { typeof(SiloOptions), typeof(ProxyOptions), typeof(HostRunner), typeof(GrainKeys), typeof(Plane.Grains.Sweeps.SweepService) }
            .Select(t => t.Assembly)
            .Distinct()
            .SelectMany(IdsOf)
            .ToHashSet();

        Assert.Contains(3001, others);
        Assert.Equal(drone.Count, drone.Distinct().Count());
        Assert.All(drone, id => Assert.InRange(id, 3200, 4999));
        Assert.DoesNotContain(drone, others.Contains);
    }

    private static List<int> IdsOf(Assembly assembly) =>
    [
        .. assembly.GetTypes()
            .SelectMany(t => t.GetMethods(BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            .Select(m => m.GetCustomAttribute<LoggerMessageAttribute>()?.EventId)
            .OfType<int>(),
    ];
}
