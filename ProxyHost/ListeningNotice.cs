using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.Hosting;

namespace Plane.Proxy;

/// <summary>Says where the proxy listens, and attaches the gauges.</summary>
internal sealed partial class ListeningNotice(
    ProxyStatus status,
    ProxyMetrics metrics,
    Routes.RouteCache cache,
    Connections.OpenExchanges open,
    ILogger<ListeningNotice> logger,
    IReadyLine? ready = null) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        metrics.Observe("plane.proxy.requests.active", "{request}", "Requests in flight", () => open.Count);
        metrics.Observe("plane.proxy.routes", "{route}", "Routes in the cache", () => cache.Count);
        var addresses = await status.WhenListening.WaitAsync(stoppingToken);
        ready?.Ready("proxy", ("url", addresses[0].AbsoluteUri.TrimEnd('/')), ("name", status.Name.Value), ("cluster", status.Cluster.Value));
        LogListening(status.Name, status.Cluster, string.Join(' ', addresses));
    }

    [LoggerMessage(5060, LogLevel.Information, "Proxy {Name} serves {Cluster} on {Addresses}")]
    private partial void LogListening(ProxyName name, ClusterName cluster, string addresses);
}
