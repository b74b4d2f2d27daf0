using Microsoft.Extensions.Logging;
using Plane.Hosting.Cluster;
using Plane.Hosting;

namespace Plane.ProxyHost.Controller;

/// <summary>The calls over the cluster client.</summary>
internal sealed class ClusterCalls : IControllerCalls
{
    private readonly ClusterName _cluster;
    private readonly ProxyName _name;
    private readonly GatewayChoice<IRouteGrain> _routes;
    private readonly GatewayChoice<IProxyGrain> _proxies;
    private readonly GatewayChoice<IServiceGrain> _services;

    public ClusterCalls(ClusterConnection cluster, ProxyOptions options, TimeProvider time, ILogger<ClusterCalls> logger)
    {
        _cluster = ClusterName.Parse(options.Cluster);
        _name = ProxyName.Parse(options.Name);
        _routes = cluster.Choose<IRouteGrain>(way => GrainKeys.Route(way), time, logger);
        _services = cluster.Choose<IServiceGrain>(way => GrainKeys.Service(way), time, logger);
        _proxies = cluster.Choose<IProxyGrain>(way => GrainKeys.Proxy(_name, way), time, logger);
    }

    public Task<RouteReply> ResolveAsync(BearerToken token, string tokenHash, int attempt, TimeSpan wait, CancellationToken cancellationToken) =>
        _routes.CallAsync((routes, c) => routes.Resolve(token, wait, c), attempt, cancellationToken);

    public Task<ServiceAccessInfo?> ReadAccessAsync(ServiceName service, int attempt, CancellationToken cancellationToken) =>
        _services.CallAsync((services, c) => services.ReadAccess(service, _cluster, c), attempt, cancellationToken);

    public Task<EnterReply> EnterAsync(EnterCommand command, int attempt, CancellationToken cancellationToken) =>
        _services.CallAsync((services, c) => services.Enter(command, c), attempt, cancellationToken);

    public Task<ChangePage> ReadChangesAsync(LogPosition? after, TimeSpan wait, CancellationToken cancellationToken) =>
        _proxies.CallAsync((proxy, c) => proxy.ReadChanges(_cluster, after, wait, c), skip: 0, cancellationToken);

    public Task<ProxyReportReply> ReportAsync(BackendIdentity[] inUse, bool continues, CancellationToken cancellationToken)
    {
        var (version, hash) = PlaneVersion.Current;
        var report = new ProxyReport { Cluster = _cluster, Proxy = _name, Version = version, Hash = hash, InUse = inUse, Continues = continues };
        return _proxies.CallAsync((proxy, c) => proxy.Report(report, c), skip: 0, cancellationToken);
    }
}
