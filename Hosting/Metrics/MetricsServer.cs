using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using OpenTelemetry.Metrics;

namespace Plane.Hosting.Metrics;

/// <summary>The small HTTP server of <c>--metrics-port</c>.</summary>
public sealed class MetricsServer : IHostedService, IAsyncDisposable
{
    private readonly MeterProvider _meters;
    private readonly string _host;
    private readonly int _port;
    private WebApplication? _app;

    internal MetricsServer(MeterProvider meters, string host, int port)
    {
        _meters = meters;
        _host = host;
        _port = port;
    }

    /// <summary>Where it listens, once started.</summary>
    public Uri? Address { get; private set; }

    /// <inheritdoc/>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var builder = PlaneHost.CreateWebBuilder("metrics");
        builder.UsePlaneListener(_host, _port);
        _app = builder.Build();
        _app.UseOpenTelemetryPrometheusScrapingEndpoint(_meters, predicate: null, path: "/metrics", configureBranchedPipeline: null, optionsName: null);
        _app.Run(context =>
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        });
        await _app.StartAsync(cancellationToken).ConfigureAwait(false);
        Address = _app.BoundAddress();
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => _app?.StopAsync(cancellationToken) ?? Task.CompletedTask;

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _app?.DisposeAsync() ?? ValueTask.CompletedTask;
}
