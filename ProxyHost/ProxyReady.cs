using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.Hosting.Ready;
using Plane.ProxyHost.Connections;
using Plane.ProxyHost.Routes;

namespace Plane.ProxyHost;

/// <summary>Says where the proxy listens once everything has started, and attaches the gauges.</summary>
internal sealed partial class ProxyReady(
    ProxyStatus status,
    ProxyMetrics metrics,
    RouteCache cache,
    OpenExchanges open,
    IServer server,
    IReadyLine ready,
    ILogger<ProxyReady> logger) : IHostedLifecycleService
{
    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        metrics.Observe("plane.proxy.requests.active", "{request}", "Requests in flight", () => open.Count);
        metrics.Observe("plane.proxy.routes", "{route}", "Routes in the cache", () => cache.Count);
        return Task.CompletedTask;
    }

    public Task StartedAsync(CancellationToken cancellationToken)
    {
        var addresses = server.Features.Get<IServerAddressesFeature>()?.Addresses
            .Select(a => new Uri(a)).OrderBy(a => a.Scheme, StringComparer.Ordinal).ToArray() ?? [];
        var url = addresses.FirstOrDefault()?.ToString().TrimEnd('/') ?? "";
        ready.Ready("proxy", ("url", url), ("name", status.Name.Value), ("cluster", status.Cluster.Value));
        LogReady(status.Name, status.Cluster, url);
        status.Listens(addresses);
        return Task.CompletedTask;
    }

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(EventIds.ProxyReadyReady, LogLevel.Information, "Proxy {Name} serves {Cluster} at {Url}")]
    private partial void LogReady(ProxyName name, ClusterName cluster, string url);
}
