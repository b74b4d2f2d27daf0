using System.Reflection;
using Microsoft.Extensions.Logging;

namespace Plane.Tests.Silo;

public sealed class EventIdTests
{
    private const BindingFlags All = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private static readonly Assembly[] s_product =
    [
        .. Directory.EnumerateFiles(AppContext.BaseDirectory, "*.dll")
            .Select(f => Path.GetFileNameWithoutExtension(f))
            .Where(n => n == "plane" || (n.StartsWith("Plane.", StringComparison.Ordinal) && n != "Plane.Tests"))
            .Select(Assembly.Load),
    ];

    private static readonly (int Id, string Where)[] s_messages =
    [
        .. s_product.SelectMany(a => a.GetTypes())
            .SelectMany(t => t.GetMethods(All).Select(m => (m.GetCustomAttribute<LoggerMessageAttribute>()?.EventId, Where: $"{t.FullName}.{m.Name}")))
            .Where(e => e.EventId is not null)
            .Select(e => (e.EventId!.Value, e.Where)),
    ];

    [Fact]
    public void An_event_id_means_one_thing_in_the_whole_product()
    {
        Assert.True(s_messages.Length > 50, $"{s_messages.Length} events were found");
        Assert.Empty(s_messages.GroupBy(e => e.Id).Where(g => g.Count() > 1).Select(g => $"{g.Key}: {string.Join(", ", g.Select(e => e.Where))}"));
    }

    [Fact]
    public void The_tables_have_every_event_id_and_no_other()
    {
        var tables = s_product.SelectMany(a => a.GetTypes()).Where(t => t.Name == "EventIds").SelectMany(t => t.GetFields(All)).Select(f => (int)f.GetRawConstantValue()!).ToArray();
        Assert.Equal(s_messages.Select(e => e.Id).Order(), tables.Order());
    }
}
