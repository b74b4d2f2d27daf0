using System.Text.RegularExpressions;
using Plane.Grains.Metrics;
using Plane.Testing;

namespace Plane.Tests.Telemetry;

/// <summary>Each metric that the documents name exists under that name, and each that the product has is documented.</summary>
public sealed partial class MonitoringDocsTests
{
    private static readonly string[] s_product =
        ["Acme", "Cli", "Client", "DnsHost", "DroneHost", "Files", "Grains", "Grains.Interfaces", "Hosting", "ProxyHost", "Silo", "Storage"];

    private static readonly string[] s_rows =
        [.. File.ReadLines(Checkout.File("docs/deploy.md")).Where(l => l.StartsWith("| `plane.", StringComparison.Ordinal))];

    [Fact]
    public void Every_metric_that_a_document_names_is_made_by_the_product()
    {
        var made = Made();
        var documents = Directory.EnumerateFiles(Checkout.File("docs"), "*.md", SearchOption.AllDirectories);
        Assert.DoesNotContain(documents.SelectMany(Named), n => !made.Contains(n));
    }

    [Fact]
    public void Every_metric_of_the_product_is_in_the_list_of_metrics()
    {
        var made = Made();
        Assert.True(made.Count > 40, $"only {made.Count} metrics were found");
        var listed = Named(Checkout.File("docs/observability.md")).ToHashSet();
        Assert.DoesNotContain(made, n => !listed.Contains(n));
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

    private static HashSet<string> Made() =>
        [.. s_product
            .SelectMany(d => Directory.EnumerateFiles(Checkout.File(d), "*.cs", SearchOption.AllDirectories))
            .SelectMany(f => Instrument().Matches(File.ReadAllText(f)).Select(m => m.Groups[1].Value))];

    private static IEnumerable<string> Named(string document) => Metric().Matches(File.ReadAllText(document)).Select(m => m.Groups[1].Value);

    // The name is the first argument of what makes an instrument.
    [GeneratedRegex("(?:Create[A-Za-z]+(?:<[a-z]+>)?|\\.Observe)\\(\\s*\"(plane\\.[a-z_.]+)\"")]
    private static partial Regex Instrument();

    // A function of the database has one dot.
    [GeneratedRegex("`(plane\\.[a-z_]+\\.[a-z_.]+)`")]
    private static partial Regex Metric();

    [GeneratedRegex("`([a-z_.]+)`")]
    private static partial Regex Code();
}
