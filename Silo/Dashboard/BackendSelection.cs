using Microsoft.AspNetCore.Http;

namespace Plane.Silo.Dashboard;

/// <summary>Which backends a request of the dashboard asks for. A value that can't be finds nothing.</summary>
/// <param name="Query">The query; null where nothing can be found.</param>
/// <param name="Status">The state: <c>live</c>, <c>all</c> or a state's name.</param>
/// <param name="Key">The key's name, or empty.</param>
/// <param name="Cluster">The cluster, or empty.</param>
/// <param name="Drone">The drone, or empty.</param>
/// <param name="Service">The service, or empty.</param>
internal sealed record BackendSelection(BackendQuery? Query, string Status, string Key, string Cluster, string Drone, string Service)
{
    private const int MaxCursor = 512;

    public static BackendSelection Read(HttpRequest request)
    {
        string Text(string name) => request.Query[name] is [{ } value, ..] ? value : "";
        var (status, key, cluster, drone, service, cursor) = (Text("status"), Text("key"), Text("cluster"), Text("drone"), Text("service"), Text("cursor"));
        BackendQuery? query = new() { Cursor = cursor.Length is > 0 and <= MaxCursor ? cursor : null };
        if (BackendTransitions.TryParseWireName(status, out var state))
        {
            query = query with { Status = state };
        }
        else
        {
            status = status == "all" ? status : "live";
            query = query with { Live = status == "live" };
        }

        if (key.Length > 0)
        {
            query = NameRules.TextProblem(key, 1) is null ? query with { KeyName = key } : null;
        }

        if (cluster.Length > 0)
        {
            query = ClusterName.TryParse(cluster, out var name) ? query is null ? null : query with { Cluster = name } : null;
        }

        if (drone.Length > 0)
        {
            query = DroneName.TryParse(drone, out var name) ? query is null ? null : query with { Drone = name } : null;
        }

        if (service.Length > 0)
        {
            query = ServiceName.TryParse(service, out var name) ? query is null ? null : query with { Service = name } : null;
        }

        return new BackendSelection(query, status, key, cluster, drone, service);
    }
}
