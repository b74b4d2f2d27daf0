using Plane.Hosting;

namespace Plane.Proxy.Controller;

/// <summary>The calls over the cluster client.</summary>
internal sealed class ClusterCalls(ClusterConnection cluster, ProxyOptions options) : IControllerCalls
{
    private readonly ClusterName _cluster = ClusterName.Parse(options.Cluster);
    private readonly ProxyName _name = ProxyName.Parse(options.Name);

    public Task<RouteReply> ResolveAsync(BearerToken token, string tokenHash, int attempt, TimeSpan wait, CancellationToken cancellationToken) =>
        cluster.GetGrain<IRouteGrain>(GrainKeys.Route(tokenHash, attempt)).Resolve(token, wait, cancellationToken);

    public Task<ChangePage> ReadChangesAsync(LogPosition? after, TimeSpan wait, CancellationToken cancellationToken) =>
        cluster.GetGrain<IProxyGrain>(_name.Value).ReadChanges(_cluster, after, wait, cancellationToken);

    public Task<ProxyReportReply> ReportAsync(BackendIdentity[] inUse, bool continues, CancellationToken cancellationToken)
    {
        var (version, hash) = PlaneVersion.Current;
        var report = new ProxyReport { Cluster = _cluster, Proxy = _name, Version = version, Hash = hash, InUse = inUse, Continues = continues };
        return cluster.GetGrain<IProxyGrain>(_name.Value).Report(report, cancellationToken);
    }
}
