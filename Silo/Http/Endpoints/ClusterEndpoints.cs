using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Plane.Grains.Clusters;
using Plane.Silo.Http.Logs;
using Plane.Storage;

namespace Plane.Silo.Http.Endpoints;

/// <summary>The answer of drain and undrain.</summary>
internal sealed record DrainResponse
{
    /// <summary>Whether this request changed it; false where it was so already.</summary>
    public required bool Updated { get; init; }
}

/// <summary>The clusters that there are.</summary>
internal sealed record ClusterList
{
    /// <summary>Their names, in order.</summary>
    public required ClusterName[] Clusters { get; init; }
}

/// <summary>The busiest backends.</summary>
internal sealed record BusyList
{
    /// <summary>The busiest first.</summary>
    public required BusyBackend[] Backends { get; init; }
}

/// <summary>Drones of a cluster, and its state.</summary>
internal static class ClusterEndpoints
{
    public static async Task<IResult> DrainAsync(
        string cluster, string drone, [FromQuery] string? terminate, [FromServices] IDroneStore store, CancellationToken cancellationToken)
    {
        if (terminate is not (null or "" or "true" or "false"))
        {
            return ApiError.Invalid("terminate must be true or false");
        }

        return await ChangeAsync(cluster, drone, store, draining: true, terminate == "true", cancellationToken);
    }

    public static Task<IResult> UndrainAsync(string cluster, string drone, [FromServices] IDroneStore store, CancellationToken cancellationToken) =>
        ChangeAsync(cluster, drone, store, draining: false, terminate: false, cancellationToken);

    public static async Task<IResult> StateAsync(string cluster, [FromServices] DronePicker drones, CancellationToken cancellationToken) =>
        ClusterName.TryParse(cluster, out var name)
            ? TypedResults.Json(await drones.ReadStateAsync(name, cancellationToken), PlaneJson.Http)
            : RouteNames.BadCluster;

    public static async Task<IResult> ListAsync([FromServices] IDroneStore store, CancellationToken cancellationToken) =>
        TypedResults.Json(new ClusterList { Clusters = [.. await store.ListClustersAsync(cancellationToken)] }, PlaneJson.Http);

    public static async Task<IResult> BusiestAsync(
        HttpRequest request, string cluster, [FromQuery] string? limit, [FromServices] DronePicker drones, [FromServices] DroneOutput output, CancellationToken cancellationToken)
    {
        if (!ClusterName.TryParse(cluster, out var name))
        {
            return RouteNames.BadCluster;
        }

        var query = new QueryReader(request);
        var most = (int?)query.Number(nameof(limit), 1, BusyBackend.MaxRows) ?? 20;
        if (query.Problem is { } problem)
        {
            return ApiError.Invalid(problem);
        }

        var alive = (await drones.ReadStateAsync(name, cancellationToken)).Drones.Where(d => d is { BackendCount: > 0 }).Select(d => DroneName.Parse(d.Node.Name));
        return TypedResults.Json(new BusyList { Backends = await output.ReadBusiestAsync(name, alive, most, cancellationToken) }, PlaneJson.Http);
    }

    private static async Task<IResult> ChangeAsync(
        string cluster, string drone, IDroneStore store, bool draining, bool terminate, CancellationToken cancellationToken)
    {
        if (!ClusterName.TryParse(cluster, out var inCluster))
        {
            return RouteNames.BadCluster;
        }

        if (!DroneName.TryParse(drone, out var name))
        {
            return RouteNames.NoDrone;
        }

        var outcome = await store.SetDrainingAsync(inCluster, name, draining, terminate, cancellationToken);
        return outcome == ChangeOutcome.NotFound
            ? RouteNames.NoDrone
            : TypedResults.Json(new DrainResponse { Updated = outcome == ChangeOutcome.Changed }, PlaneJson.Http);
    }
}
