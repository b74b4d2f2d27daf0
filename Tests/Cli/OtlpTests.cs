using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Plane.Hosting;
using Plane.Tests.Support;

namespace Plane.Tests.Cli;

/// <summary>Metrics sent by OTLP, as OpenTelemetry's own variables say, to a receiver of the test's own.</summary>
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
        await using var receiver = await Receiver.StartAsync(protocol == "http/protobuf" ? HttpProtocols.Http1 : HttpProtocols.Http2);
        var lines = await RunProxyAsync(new()
        {
            [variable] = receiver.Address.AbsoluteUri.TrimEnd('/') + path,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol,
            ["OTEL_METRIC_EXPORT_INTERVAL"] = "3600000",
            ["OTEL_EXPORTER_OTLP_HEADERS"] = "x-tenant=plane-tests",
            ["OTEL_RESOURCE_ATTRIBUTES"] = "deployment.environment.name=otlp-tests",
        });
        Assert.False(receiver.Received.IsEmpty, $"nothing was sent:\n{string.Join('\n', lines)}");
        Assert.All(receiver.Received, r => Assert.Equal((expected, "plane-tests"), (r.Path, r.Tenant)));
        var all = string.Concat(receiver.Received.Select(r => r.Body));
        Assert.Contains("plane.proxy.", all, StringComparison.Ordinal);
        Assert.Contains("plane-proxy", all, StringComparison.Ordinal);
        Assert.Contains("otlp-tests", all, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_interval_counts()
    {
        await using var receiver = await Receiver.StartAsync(HttpProtocols.Http1);
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

    private sealed class Receiver(WebApplication app) : IAsyncDisposable
    {
        public ConcurrentQueue<(string Path, string Tenant, string Body)> Received { get; } = [];

        public Uri Address => app.BoundAddress();

        public static async Task<Receiver> StartAsync(HttpProtocols protocols)
        {
            var builder = PlaneHost.CreateWebBuilder("otlp-receiver");
            builder.UsePlaneListener("127.0.0.1", 0, listen => listen.Protocols = protocols);
            var receiver = new Receiver(builder.Build());
            receiver.Run();
            await receiver.StartAsync();
            return receiver;
        }

        public ValueTask DisposeAsync() => app.DisposeAsync();

        private Task StartAsync() => app.StartAsync();

        private void Run() => app.Run(async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            Received.Enqueue((context.Request.Path, context.Request.Headers["x-tenant"].ToString(), Encoding.Latin1.GetString(body.ToArray())));
            if (context.Request.Protocol == HttpProtocol.Http2)
            {
                // gRPC's form of an empty message.
                context.Response.ContentType = "application/grpc";
                context.Response.DeclareTrailer("grpc-status");
                await context.Response.Body.WriteAsync(new byte[5]);
                context.Response.AppendTrailer("grpc-status", "0");
            }
        });
    }
}
