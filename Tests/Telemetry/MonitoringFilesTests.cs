using System.Diagnostics.Metrics;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Plane.DroneHost;
using Plane.DroneHost.Runtimes;
using Plane.Grains.Metrics;
using Plane.Hosting.Metrics;
using Plane.Hosting;
using Plane.ProxyHost;
using Plane.ProxyHost.Answers;
using Plane.Silo.Http;
using Plane.Testing;

namespace Plane.Tests.Telemetry;

/// <summary>The Grafana dashboard and the alert rules use names and labels that <c>/metrics</c> serves.</summary>
public sealed partial class MonitoringFilesTests : IAsyncLifetime
{
    // Of Prometheus itself.
    private static readonly string[] s_targetLabels = ["instance", "job", "le"];

    private IHost _host = null!;
    private readonly Dictionary<string, Dictionary<string, HashSet<string>>> _served = [];

    public async Task InitializeAsync()
    {
        var builder = PlaneHost.CreateBuilder("metrics");
        builder.AddPlaneMetrics("controller");
        builder.Services.AddMetrics();
        builder.Services.AddPlaneMetricsServer("127.0.0.1", 0);
        _host = builder.Build();
        await _host.StartAsync();
        Record(_host.Services.GetRequiredService<IMeterFactory>());
        using var http = new HttpClient();
        var text = await http.GetStringAsync(new Uri(_host.Services.GetRequiredService<MetricsServer>().Address!, "/metrics"));
        foreach (Match series in Series().Matches(text))
        {
            var labels = _served.TryGetValue(series.Groups[1].Value, out var known) ? known : _served[series.Groups[1].Value] = [];
            foreach (Match label in Label().Matches(series.Groups[2].Value))
            {
                (labels.TryGetValue(label.Groups[1].Value, out var values) ? values : labels[label.Groups[1].Value] = []).Add(label.Groups[2].Value);
            }
        }
    }

    public async Task DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }

    [Fact]
    public void The_dashboard_shows_series_that_there_are()
    {
        var dashboard = JsonNode.Parse(File.ReadAllText(Path.Combine(Checkout.Root, "deploy/grafana/plane.json")))!;
        var panels = ((JsonArray)dashboard["panels"]!).Where(p => (string?)p!["type"] != "row").ToArray();
        Assert.True(panels.Length > 15, $"{panels.Length} panels");
        Assert.Equal(panels.Length, panels.Select(p => (int)p!["id"]!).Distinct().Count());
        Assert.All(panels, p => Assert.Equal("${datasource}", (string?)p!["datasource"]!["uid"]));
        foreach (var expression in panels.SelectMany(p => (JsonArray)p!["targets"]!).Select(t => (string)t!["expr"]!))
        {
            Check(expression);
        }
    }

    [Fact]
    public void The_alerts_compare_series_and_labels_that_there_are()
    {
        var expressions = File.ReadLines(Path.Combine(Checkout.Root, "deploy/prometheus/plane-alerts.yaml"))
            .Select(l => l.Trim()).Where(l => l.StartsWith("expr: ", StringComparison.Ordinal)).Select(l => l["expr: ".Length..]).ToArray();
        Assert.True(expressions.Length >= 10, $"{expressions.Length} alerts");
        Assert.All(expressions, Check);
    }

    [Fact]
    public void A_name_or_a_label_that_does_not_occur_is_found_out()
    {
        Assert.ThrowsAny<Exception>(() => Check("sum(rate(plane_controller_connections_total[5m]))"));
        Assert.ThrowsAny<Exception>(() => Check("sum(rate(plane_controller_connects_total{outcome=\"no_drones\"}[5m]))"));
        Assert.ThrowsAny<Exception>(() => Check("sum by (result) (rate(plane_controller_connects_total[5m]))"));
    }

    private void Check(string expression)
    {
        var names = Name().Matches(expression).Select(m => m.Value).ToArray();
        Assert.NotEmpty(names);
        foreach (var name in names)
        {
            Assert.True(_served.ContainsKey(name), $"{expression}: {name} is not served; there are {string.Join(", ", _served.Keys.Where(k => k.StartsWith("plane", StringComparison.Ordinal)))}");
        }

        var labels = _served[names[0]];
        foreach (Match match in Matcher().Matches(expression))
        {
            var values = labels.TryGetValue(match.Groups[1].Value, out var known) ? known : [];
            foreach (var value in match.Groups[2].Value.Split('|'))
            {
                Assert.True(values.Contains(value), $"{expression}: {match.Groups[1].Value} is never {value}, but {string.Join(", ", values)}");
            }
        }

        foreach (var label in By().Matches(expression).SelectMany(m => m.Groups[1].Value.Split(',', StringSplitOptions.TrimEntries)))
        {
            Assert.True(labels.ContainsKey(label) || s_targetLabels.Contains(label), $"{expression}: there is no label {label}");
        }
    }

    /// <summary>Has each instrument record each value that it can.</summary>
    private static void Record(IMeterFactory meters)
    {
        var controller = new ControllerMetrics(meters);
        var http = new HttpMetrics(meters);
        foreach (var outcome in (string[])["spawned", "reused", .. Enum.GetValues<ErrorKind>().Select(MetricTags.Of)])
        {
            controller.Connected(outcome);
            http.Connected(TimeSpan.FromMilliseconds(1), outcome);
        }

        Array.ForEach(Enum.GetValues<ErrorKind>(), http.Error);
        http.StreamOpened();
        controller.BatchWritten("renewals", 1, TimeSpan.FromMilliseconds(1));
        controller.Waiting("status").Dispose();
        controller.Swept("lost", "failed", 0);
        controller.Swept("lost", "done", 1);
        controller.ObserveStore(() => 1);
        controller.ObserveFeed(() => 1, () => 1);
        var drone = new DroneMetrics(meters, TimeProvider.System);
        drone.SetUsage([new BackendUsage(new BackendIdentity(BackendName.NewRandom(), new FencingToken(1)), 1, 1)]);
        foreach (var counter in typeof(DroneMetrics).GetProperties().Where(p => p.PropertyType == typeof(Counter<long>)))
        {
            ((Counter<long>)counter.GetValue(drone)!).Add(1);
        }

        var proxy = new ProxyMetrics(meters);
        proxy.RequestEnded(200);
        proxy.Resolved(TimeSpan.FromMilliseconds(1));
        proxy.Cut(1);
        proxy.Observe("plane.proxy.requests.active", "{request}", "", () => 1);
        proxy.Observe("plane.proxy.routes", "{route}", "", () => 1);
        foreach (var error in typeof(ProxyError).GetProperties(System.Reflection.BindingFlags.Static | System.Reflection.BindingFlags.Public | System.Reflection.BindingFlags.NonPublic)
            .Select(p => p.GetValue(null)).OfType<ProxyError>())
        {
            proxy.Failed(error.Kind);
        }
    }

    [GeneratedRegex("^(plane_[a-z_]+)(?:\\{(.*)\\})? [0-9+.eE-]+", RegexOptions.Multiline)]
    private static partial Regex Series();

    [GeneratedRegex("([a-z_]+)=\"([^\"]*)\"")]
    private static partial Regex Label();

    [GeneratedRegex("\\bplane_[a-z_]+")]
    private static partial Regex Name();

    [GeneratedRegex("([a-z_]+)(?:=|=~|!=|!~)\"([^\"]*)\"")]
    private static partial Regex Matcher();

    [GeneratedRegex("by \\(([a-z_, ]+)\\)")]
    private static partial Regex By();
}
