using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Plane.Grains.Backends;

namespace Plane.Silo.Http.Endpoints;

/// <summary>
/// The status of a backend, for anyone who knows its name. Read from the store (<see cref="HistoryReader"/>), not through the backend's grain: these routes face the world, and each name that
/// somebody makes up would bring an activation to life.
/// </summary>
internal static class StatusEndpoints
{
    public static Task<IResult> LatestAsync(string backend, [FromServices] HistoryReader histories, CancellationToken cancellationToken) =>
        LatestInClusterAsync(null, backend, histories, cancellationToken);

    public static async Task<IResult> LatestInClusterAsync(
        string? cluster, string backend, [FromServices] HistoryReader histories, CancellationToken cancellationToken)
    {
        if (Names(cluster, backend, out var inCluster, out var name) is { } error)
        {
            return error;
        }

        return await histories.ReadAsync(name, cancellationToken) is { Entries: [.., { } last] } history && (inCluster is null || history.Cluster == inCluster)
            ? TypedResults.Json(last, PlaneJson.Http)
            : RouteNames.NoBackend;
    }

    public static Task<IResult> StreamAsync(
        HttpContext http, string backend, [FromServices] StatusStreams streams, CancellationToken cancellationToken) =>
        StreamInClusterAsync(http, null, backend, streams, cancellationToken);

    public static async Task<IResult> StreamInClusterAsync(
        HttpContext http, string? cluster, string backend, [FromServices] StatusStreams streams, CancellationToken cancellationToken) =>
        Names(cluster, backend, out var inCluster, out var name) ?? await streams.OpenAsync(http, name, inCluster, cancellationToken);

    private static ApiError? Names(string? cluster, string backend, out ClusterName? inCluster, out BackendName name)
    {
        name = default;
        return !RouteNames.TryCluster(cluster, out inCluster) ? RouteNames.BadCluster
            : !BackendName.TryParse(backend, out name) ? RouteNames.NoBackend
            : null;
    }
}
