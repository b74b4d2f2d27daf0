using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Orleans;
using Plane.Grains.Clusters;

namespace Plane.Silo.Http.Endpoints;

/// <summary>The answer of drain and undrain.</summary>
internal sealed record DrainResponse
{
    /// <summary>Whether this request changed it; false where it was so already.</summary>
    public required bool Updated { get; init; }
}

/// <summary>Drones of a cluster, and its state.</summary>
internal static class ClusterEndpoints
{
    public static async Task<IResult> DrainAsync(
        string cluster, string drone, [FromQuery] string? terminate, [FromServices] IGrainFactory grains, CancellationToken cancellationToken)
    {
        if (terminate is not (null or "" or "true" or "false"))
        {
            return ApiError.Invalid("terminate must be true or false");
        }

        return await ChangeAsync(cluster, drone, grains, d => d.Drain(terminate == "true", cancellationToken));
    }

    public static Task<IResult> UndrainAsync(string cluster, string drone, [FromServices] IGrainFactory grains, CancellationToken cancellationToken) =>
        ChangeAsync(cluster, drone, grains, d => d.Undrain(cancellationToken));

    public static async Task<IResult> StateAsync(string cluster, [FromServices] DronePicker drones, CancellationToken cancellationToken) =>
        ClusterName.TryParse(cluster, out var name)
            ? TypedResults.Json(await drones.ReadStateAsync(name, cancellationToken), PlaneJson.Http)
            : RouteNames.BadCluster;

    private static async Task<IResult> ChangeAsync(string cluster, string drone, IGrainFactory grains, Func<IDroneGrain, Task<ChangeOutcome>> change)
    {
        if (!ClusterName.TryParse(cluster, out var inCluster))
        {
            return RouteNames.BadCluster;
        }

        if (!DroneName.TryParse(drone, out var name))
        {
            return RouteNames.NoDrone;
        }

        var outcome = await change(grains.GetGrain<IDroneGrain>(GrainKeys.Drone(inCluster, name)));
        return outcome == ChangeOutcome.NotFound
            ? RouteNames.NoDrone
            : TypedResults.Json(new DrainResponse { Updated = outcome == ChangeOutcome.Changed }, PlaneJson.Http);
    }
}
