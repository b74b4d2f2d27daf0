using System.Reflection;
using Microsoft.Extensions.Logging;

namespace Plane.Tests.Silo;

public sealed class EventIdTests
{
    [Fact]
    public void An_event_id_means_one_thing_in_the_whole_product()
    {
        const BindingFlags All = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        var events = Directory.EnumerateFiles(AppContext.BaseDirectory, "*.dll")
            .Select(f => Path.GetFileNameWithoutExtension(f))
            .Where(n => n == "plane" || (n.StartsWith("Plane.", StringComparison.Ordinal) && n != "Plane.Tests"))
            .SelectMany(n => Assembly.Load(n).GetTypes())
            .SelectMany(t => t.GetMethods(All).Select(m => (Id: m.GetCustomAttribute<LoggerMessageAttribute>()?.EventId, Where: $"{t.FullName}.{m.Name}")))
            .Where(e => e.Id is not null)
            .ToArray();
        Assert.True(events.Length > 50, $"{events.Length} events were found");
        Assert.Empty(events.GroupBy(e => e.Id).Where(g => g.Count() > 1).Select(g => $"{g.Key}: {string.Join(", ", g.Select(e => e.Where))}"));
    }
}
