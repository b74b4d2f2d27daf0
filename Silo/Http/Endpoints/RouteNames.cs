namespace Plane.Silo.Http.Endpoints;

/// <summary>Reads the names in paths and queries. A backend, drone or service with an invalid name cannot exist: not found. A cluster's has its own error kind.</summary>
internal static class RouteNames
{
    public static ApiError NoBackend { get; } = ApiError.NotFound("backend");

    public static ApiError NoDrone { get; } = ApiError.NotFound("drone");

    public static ApiError NoService { get; } = ApiError.NotFound("service");

    public static ApiError BadCluster { get; } = new(ErrorKind.InvalidClusterName, ClusterName.Rule);

    /// <summary>The cluster of a route that may have none.</summary>
    public static bool TryCluster(string? text, out ClusterName? cluster)
    {
        cluster = null;
        if (text is null)
        {
            return true;
        }

        var valid = ClusterName.TryParse(text, out var name);
        cluster = valid ? name : null;
        return valid;
    }
}
