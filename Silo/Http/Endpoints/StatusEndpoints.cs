using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Plane.Grains.Storage;

namespace Plane.Silo.Http.Endpoints;

/// <summary>
/// Where a backend stands, for anyone who knows its name. Read from the store, not through the backend's grain: these routes face the world, and each name that
/// somebody makes up would bring an activation to life.
/// </summary>
internal static class StatusEndpoints
{
    public static Task<IResult> LatestAsync(string backend, [FromServices] IPlaneStore store, CancellationToken cancellationToken) =>
        LatestInClusterAsync(null, backend, store, cancellationToken);

    public static async Task<IResult> LatestInClusterAsync(
        string? cluster, string backend, [FromServices] IPlaneStore store, CancellationToken cancellationToken)
    {
        var (name, error) = await FindAsync(cluster, backend, store, cancellationToken);
        return error is not null ? error
            : await store.ReadHistoryAsync(name, null, cancellationToken) is [.., { } last] ? TypedResults.Json(last, PlaneJson.Http)
            : RouteNames.NoBackend;
    }

    public static Task<IResult> StreamAsync(
        HttpContext http, string backend, [FromServices] IPlaneStore store, [FromServices] StatusStreams streams, CancellationToken cancellationToken) =>
        StreamInClusterAsync(http, null, backend, store, streams, cancellationToken);

    public static async Task<IResult> StreamInClusterAsync(
        HttpContext http,
        string? cluster,
        string backend,
        [FromServices] IPlaneStore store,
        [FromServices] StatusStreams streams,
        CancellationToken cancellationToken)
    {
        var (name, error) = await FindAsync(cluster, backend, store, cancellationToken);
        return error is not null ? error : await streams.OpenAsync(http, name, cancellationToken);
    }

    private static async Task<(BackendName Name, ApiError? Error)> FindAsync(
        string? cluster, string backend, IPlaneStore store, CancellationToken cancellationToken)
    {
        if (!RouteNames.TryCluster(cluster, out var inCluster))
        {
            return (default, RouteNames.BadCluster);
        }

        return BackendName.TryParse(backend, out var name)
            && (inCluster is null || (await store.ReadBackendAsync(name, cancellationToken))?.Cluster == inCluster)
                ? (name, null)
                : (default, RouteNames.NoBackend);
    }
}
