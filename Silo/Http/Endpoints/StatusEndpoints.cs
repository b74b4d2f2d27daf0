using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Orleans;

namespace Plane.Silo.Http.Endpoints;

/// <summary>Where a backend stands, for anyone who knows its name.</summary>
internal static class StatusEndpoints
{
    public static Task<IResult> LatestAsync(string backend, [FromServices] IGrainFactory grains, CancellationToken cancellationToken) =>
        LatestInClusterAsync(null, backend, grains, cancellationToken);

    public static async Task<IResult> LatestInClusterAsync(
        string? cluster, string backend, [FromServices] IGrainFactory grains, CancellationToken cancellationToken)
    {
        var (grain, error) = await FindAsync(cluster, backend, grains, cancellationToken);
        return grain is null ? error!
            : (await grain.ReadStatus(null, TimeSpan.Zero, cancellationToken)).Entries is [.., { } last] ? TypedResults.Json(last, PlaneJson.Http)
            : RouteNames.NoBackend;
    }

    public static Task<IResult> StreamAsync(
        HttpContext http, string backend, [FromServices] IGrainFactory grains, [FromServices] StatusStreams streams, CancellationToken cancellationToken) =>
        StreamInClusterAsync(http, null, backend, grains, streams, cancellationToken);

    public static async Task<IResult> StreamInClusterAsync(
        HttpContext http,
        string? cluster,
        string backend,
        [FromServices] IGrainFactory grains,
        [FromServices] StatusStreams streams,
        CancellationToken cancellationToken)
    {
        var (grain, error) = await FindAsync(cluster, backend, grains, cancellationToken);
        return grain is null ? error! : await streams.OpenAsync(http, grain, cancellationToken);
    }

    private static async Task<(IBackendGrain? Grain, ApiError? Error)> FindAsync(
        string? cluster, string backend, IGrainFactory grains, CancellationToken cancellationToken)
    {
        if (!RouteNames.TryCluster(cluster, out var inCluster))
        {
            return (null, RouteNames.BadCluster);
        }

        if (!BackendName.TryParse(backend, out var name))
        {
            return (null, RouteNames.NoBackend);
        }

        var grain = grains.GetGrain<IBackendGrain>(name.Value);
        return inCluster is null || (await grain.Describe(cancellationToken))?.Cluster == inCluster ? (grain, null) : (null, RouteNames.NoBackend);
    }
}
