using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Plane.Silo.Http.Json;
using Plane.Storage;

namespace Plane.Silo.Http.Endpoints;

/// <summary>What operators and applications ask of backends: end, revoke, list, describe.</summary>
internal static class BackendEndpoints
{
    public static Task<IResult> SoftTerminateAsync(string backend, [FromServices] IBackendStore store, CancellationToken cancellationToken) =>
        TerminateAsync(null, backend, TerminationKind.Soft, store, cancellationToken);

    public static Task<IResult> HardTerminateAsync(string backend, [FromServices] IBackendStore store, CancellationToken cancellationToken) =>
        TerminateAsync(null, backend, TerminationKind.Hard, store, cancellationToken);

    public static Task<IResult> SoftTerminateInClusterAsync(
        string cluster, string backend, [FromServices] IBackendStore store, CancellationToken cancellationToken) =>
        TerminateAsync(cluster, backend, TerminationKind.Soft, store, cancellationToken);

    public static Task<IResult> HardTerminateInClusterAsync(
        string cluster, string backend, [FromServices] IBackendStore store, CancellationToken cancellationToken) =>
        TerminateAsync(cluster, backend, TerminationKind.Hard, store, cancellationToken);

    public static async Task<IResult> PreventRenewAsync(string backend, [FromServices] IKeyStore store, CancellationToken cancellationToken) =>
        BackendName.TryParse(backend, out var name)
        && await store.PreventRenewalAsync(name, cancellationToken) != ChangeOutcome.NotFound
            ? Null()
            : RouteNames.NoBackend;

    public static async Task<IResult> RevokeAsync(HttpContext http, [FromServices] IRouteStore store, CancellationToken cancellationToken)
    {
        var (request, error) = await JsonBody.ReadAsync<RevokeRequest>(http.Request, cancellationToken);
        if (request is null)
        {
            return error!;
        }

        if (request.Read(out var scope) is { } problem)
        {
            return ApiError.Invalid(problem);
        }

        return await store.RevokeAsync(request.BackendId, scope, cancellationToken) == ChangeOutcome.NotFound
            ? RouteNames.NoBackend
            : TypedResults.Json("Token revoked successfully", PlaneJson.Http);
    }

    public static async Task<IResult> DescribeAsync(string backend, [FromServices] IBackendStore store, CancellationToken cancellationToken) =>
        BackendName.TryParse(backend, out var name)
        && await store.ReadBackendAsync(name, cancellationToken) is { } details
            ? TypedResults.Json(details, PlaneJson.Http)
            : RouteNames.NoBackend;

    public static async Task<IResult> ListAsync(
        HttpContext http, [AsParameters] BackendListQuery parameters, [FromServices] IBackendStore store, CancellationToken cancellationToken)
    {
        if (parameters.Read(http.Request.Query, out var query) is { } error)
        {
            return error;
        }

        try
        {
            return TypedResults.Json(await store.ListBackendsAsync(query, cancellationToken), PlaneJson.Http);
        }
        catch (FormatException)
        {
            return BackendListQuery.BadCursor;
        }
    }

    private static async Task<IResult> TerminateAsync(
        string? cluster, string backend, TerminationKind kind, IBackendStore store, CancellationToken cancellationToken)
    {
        if (!RouteNames.TryCluster(cluster, out var inCluster))
        {
            return RouteNames.BadCluster;
        }

        return BackendName.TryParse(backend, out var name)
            && await store.TerminateAsync(name, inCluster, kind, TerminationReason.External, cancellationToken) != ChangeOutcome.NotFound
                ? Null()
                : RouteNames.NoBackend;
    }

    /// <summary>JSON <c>null</c>, as the reference answers what has nothing to say.</summary>
    public static Microsoft.AspNetCore.Http.HttpResults.ContentHttpResult Null() => TypedResults.Content("null", "application/json");
}
