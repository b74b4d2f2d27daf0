using Microsoft.AspNetCore.Server.Kestrel.Core;
using Plane.Hosting;
using Plane.Testing;
using Plane.Tests.Telemetry;

namespace Plane.Tests.Cli;

/// <summary>Metrics and traces sent by OTLP, as OpenTelemetry's own variables say, to a receiver of the test's own.</summary>
public sealed class OtlpTests
{
    [Theory]
    [InlineData("http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT", "", "/v1/metrics")]
    [InlineData("http/protobuf", "OTEL_EXPORTER_OTLP_ENDPOINT", "/otlp/", "/otlp/v1/metrics")]
    [InlineData("http/protobuf", "PLANE__OTLP_ENDPOINT", "", "/v1/metrics")]
    [InlineData("http/protobuf", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "/mine", "/mine")]
    [InlineData("grpc", "OTEL_EXPORTER_OTLP_ENDPOINT", "", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export")]
    [InlineData(null, "OTEL_EXPORTER_OTLP_ENDPOINT", "", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export")]
    public async Task What_was_measured_is_sent_at_the_stop_by_the_protocol_that_was_asked_for(string? protocol, string variable, string path, string expected)
    {
        await using var receiver = await OtlpReceiver.StartAsync(protocol == "http/protobuf" ? HttpProtocols.Http1 : HttpProtocols.Http2);
        var lines = await RunProxyAsync(new()
        {
            [variable] = receiver.Address.AbsoluteUri.TrimEnd('/') + path,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol,
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "3600000",
            ["OTEL_EXPORTER_OTLP_HEADERS"] = "x-tenant=plane-tests",
            ["OTEL_RESOURCE_ATTRIBUTES"] = "deployment.environment.name=otlp-tests",
        });
        Assert.False(receiver.Received.IsEmpty, $"nothing was sent:\n{string.Join('\n', lines)}");
        Assert.All(receiver.Received, r => Assert.Equal("plane-tests", r.Tenant));
        Assert.Contains(receiver.Received, r => r.Path == expected);
        var all = receiver.Text;
        Assert.Contains("plane.proxy.", all, StringComparison.Ordinal);
        Assert.Contains("plane-proxy", all, StringComparison.Ordinal);
        Assert.Contains("otlp-tests", all, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_interval_counts()
    {
        await using var receiver = await OtlpReceiver.StartAsync(HttpProtocols.Http1);
        await using var proxy = await StartProxyAsync(new()
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.Address.AbsoluteUri,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "100",
        });
        await Eventually.TrueAsync(() => receiver.Received.Count >= 3, "metrics arrive again and again while it runs");
        await proxy.StopAsync();
    }

    [Theory]
    [InlineData("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "must be grpc or http/protobuf")]
    [InlineData("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "tcp", "must be grpc or http/protobuf")]
    [InlineData("OTEL_METRIC_EXPORT_INTERVAL", "10s", "must be a number of milliseconds")]
    [InlineData("OTEL_METRIC_EXPORT_INTERVAL", "0", "must be a number of milliseconds")]
    [InlineData("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "localhost", "must be an http or https URL")]
    [InlineData("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://localhost", "must be an http or https URL")]
    [InlineData("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "must be grpc or http/protobuf")]
    [InlineData("OTEL_TRACES_EXPORTER", "jaeger", "must be otlp or none")]
    [InlineData("OTEL_TRACES_SAMPLER", "sometimes", "must be one of always_on, ")]
    [InlineData("OTEL_TRACES_SAMPLER_ARG", "50%", "must be a number from 0 to 1")]
    [InlineData("OTEL_TRACES_SAMPLER_ARG", "2", "must be a number from 0 to 1")]
    [InlineData("OTEL_BSP_SCHEDULE_DELAY", "5s", "must be a number of milliseconds")]
    public void A_variable_that_the_exporter_would_ignore_is_refused(string name, string value, string problem)
    {
        var options = new HostingOptions();
        options.ReadOpenTelemetry(new Dictionary<string, string> { [name] = value });
        Assert.Contains(problem, Assert.Single(options.Problems()), StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_variable_is_none()
    {
        var options = new HostingOptions();
        options.ReadOpenTelemetry(new Dictionary<string, string> { ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "", ["OTEL_METRIC_EXPORT_INTERVAL"] = "" });
        Assert.Empty(options.Problems());
    }

    private static async Task<IReadOnlyList<string>> RunProxyAsync(Dictionary<string, string?> environment)
    {
        await using var proxy = await StartProxyAsync(environment);
        using var http = new HttpClient();

        // Something that is counted.
        using var answer = await http.GetAsync(new Uri((await proxy.WaitForLineAsync(@"^ready proxy url=(\S+)")).Groups[1].Value + "/nothing"));
        Assert.Equal(0, await proxy.StopAsync());
        return proxy.Lines;
    }

    // A proxy serves without a controller.
    private static Task<RunningProgram> StartProxyAsync(Dictionary<string, string?> environment) => RunningProgram.StartDotnetAsync(
        Checkout.Cli, ["proxy", "--cluster", "localhost:9090", "--host", "127.0.0.1", "--port", "0", "--gateway", $"127.0.0.1:{FreePort.Next()}"],
        environment: environment, name: "proxy");
}
