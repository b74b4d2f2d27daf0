using System.Text.RegularExpressions;
using Plane.Grains.Metrics;
using Plane.Testing;

namespace Plane.Tests.Telemetry;

/// <summary>What the documents tell an operator to watch exists under that name.</summary>
public sealed partial class MonitoringDocsTests
{
    private static readonly string[] s_rows =
        [.. File.ReadLines(Path.Combine(Checkout.Root, "docs/deploy.md")).Where(l => l.StartsWith("| `plane.", StringComparison.Ordinal))];

    [Fact]
    public void Every_metric_of_the_table_is_one_of_the_product()
    {
        var known = ((string[])["Grains", "Silo", "DroneHost", "ProxyHost", "DnsHost"])
            .SelectMany(d => Directory.EnumerateFiles(Path.Combine(Checkout.Root, d), "*.cs", SearchOption.AllDirectories))
            .SelectMany(f => Instrument().Matches(File.ReadAllText(f)).Select(m => m.Groups[1].Value)).ToHashSet();
        var named = s_rows.SelectMany(r => Code().Matches(r).Select(m => m.Groups[1].Value)).Where(n => n.StartsWith("plane.", StringComparison.Ordinal)).ToArray();
        Assert.True(named.Length > 20, $"{named.Length} metrics were found");
        Assert.All(named, n => Assert.Contains(n, known));
    }

    [Fact]
    public void Every_label_that_an_alert_would_compare_occurs()
    {
        string[] known = [.. Enum.GetValues<ErrorKind>().Select(MetricTags.Of), MetricTags.OutcomeOf(new ConnectResult { Spawned = true }), MetricTags.OutcomeOf(new ConnectResult())];
        var row = Assert.Single(s_rows, r => r.Contains("`plane.controller.connects`", StringComparison.Ordinal));
        var labels = Code().Matches(row.Split('|')[2]).Select(m => m.Groups[1].Value).ToArray();
        Assert.Contains("no_drone_available", labels);
        Assert.All(labels, l => Assert.Contains(l, known));
    }

    [GeneratedRegex("\"(plane\\.[a-z_.]+)\"")]
    private static partial Regex Instrument();

    [GeneratedRegex("`([a-z_.]+)`")]
    private static partial Regex Code();
}
