using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Orleans;
using Plane.Silo.Http.Json;
using Plane.Storage;

namespace Plane.Silo.Http.Endpoints;

/// <summary>What operators and applications ask of backends: end, revoke, list, describe.</summary>
internal static class BackendEndpoints
{
    private const int MaxCursor = 512;

    public static Task<IResult> SoftTerminateAsync(string backend, [FromServices] IGrainFactory grains, CancellationToken cancellationToken) =>
        TerminateAsync(null, backend, TerminationKind.Soft, grains, cancellationToken);

    public static Task<IResult> HardTerminateAsync(string backend, [FromServices] IGrainFactory grains, CancellationToken cancellationToken) =>
        TerminateAsync(null, backend, TerminationKind.Hard, grains, cancellationToken);

    public static Task<IResult> SoftTerminateInClusterAsync(
        string cluster, string backend, [FromServices] IGrainFactory grains, CancellationToken cancellationToken) =>
        TerminateAsync(cluster, backend, TerminationKind.Soft, grains, cancellationToken);

    public static Task<IResult> HardTerminateInClusterAsync(
        string cluster, string backend, [FromServices] IGrainFactory grains, CancellationToken cancellationToken) =>
        TerminateAsync(cluster, backend, TerminationKind.Hard, grains, cancellationToken);

    public static async Task<IResult> PreventRenewAsync(string backend, [FromServices] IGrainFactory grains, CancellationToken cancellationToken) =>
        BackendName.TryParse(backend, out var name)
        && await grains.GetGrain<IBackendGrain>(name.Value).PreventRenewal(cancellationToken) != ChangeOutcome.NotFound
            ? Null()
            : RouteNames.NoBackend;

    public static async Task<IResult> RevokeAsync(HttpContext http, [FromServices] IGrainFactory grains, CancellationToken cancellationToken)
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

        return await grains.GetGrain<IBackendGrain>(request.BackendId.Value).Revoke(scope, cancellationToken) == ChangeOutcome.NotFound
            ? RouteNames.NoBackend
            : TypedResults.Json("Token revoked successfully", PlaneJson.Http);
    }

    public static async Task<IResult> DescribeAsync(string backend, [FromServices] IGrainFactory grains, CancellationToken cancellationToken) =>
        BackendName.TryParse(backend, out var name)
        && await grains.GetGrain<IBackendGrain>(name.Value).Describe(cancellationToken) is { } details
            ? TypedResults.Json(details, PlaneJson.Http)
            : RouteNames.NoBackend;

    public static async Task<IResult> ListAsync(
        HttpContext http,
        [FromServices] IBackendStore store,
        [FromQuery] string? cluster,
        [FromQuery] string? status,
        [FromQuery] string? drone,
        [FromQuery] string? key,
        [FromQuery] string? service,
        [FromQuery] string? limit,
        [FromQuery] string? cursor,
        CancellationToken cancellationToken)
    {
        foreach (var (parameter, values) in http.Request.Query)
        {
            if (values.Count > 1 && parameter is "cluster" or "status" or "drone" or "key" or "service" or "limit" or "cursor")
            {
                return ApiError.Invalid($"{parameter} is given twice");
            }
        }

        var query = new BackendQuery { Cursor = NotEmpty(cursor) };
        if (NotEmpty(cluster) is { } clusterText)
        {
            if (!ClusterName.TryParse(clusterText, out var name))
            {
                return RouteNames.BadCluster;
            }

            query = query with { Cluster = name };
        }

        if (NotEmpty(status) is { } statusText)
        {
            if (statusText == "live")
            {
                query = query with { Live = true };
            }
            else if (BackendTransitions.TryParseWireName(statusText, out var wanted))
            {
                query = query with { Status = wanted };
            }
            else
            {
                return ApiError.Invalid($"status must be live or one of {string.Join(", ", BackendTransitions.Order.Select(s => s.WireName()))}");
            }
        }

        if (NotEmpty(drone) is { } droneText)
        {
            if (!DroneName.TryParse(droneText, out var name))
            {
                return ApiError.Invalid("drone is not valid: " + DroneName.Rule);
            }

            query = query with { Drone = name };
        }

        if (NotEmpty(key) is { } keyText)
        {
            if (NameRules.TextProblem(keyText, 1) is { } problem)
            {
                return ApiError.Invalid($"key {problem}");
            }

            query = query with { KeyName = keyText };
        }

        if (NotEmpty(service) is { } serviceText)
        {
            if (!ServiceName.TryParse(serviceText, out var name))
            {
                return ApiError.Invalid("service is not valid: " + ServiceName.Rule);
            }

            query = query with { Service = name };
        }

        if (NotEmpty(limit) is { } limitText)
        {
            if (!int.TryParse(limitText, NumberStyles.None, CultureInfo.InvariantCulture, out var rows) || rows is < 1 or > BackendQuery.MaxLimit)
            {
                return ApiError.Invalid($"limit must be from 1 to {BackendQuery.MaxLimit}");
            }

            query = query with { Limit = rows };
        }

        try
        {
            return query.Cursor is { Length: > MaxCursor }
                ? BadCursor
                : TypedResults.Json(await store.ListBackendsAsync(query, cancellationToken), PlaneJson.Http);
        }
        catch (FormatException)
        {
            return BadCursor;
        }
    }

    private static ApiError BadCursor { get; } = ApiError.Invalid("cursor must be the next_cursor of an earlier page");

    private static async Task<IResult> TerminateAsync(
        string? cluster, string backend, TerminationKind kind, IGrainFactory grains, CancellationToken cancellationToken)
    {
        if (!RouteNames.TryCluster(cluster, out var inCluster))
        {
            return RouteNames.BadCluster;
        }

        return BackendName.TryParse(backend, out var name)
            && await grains.GetGrain<IBackendGrain>(name.Value).Terminate(kind, inCluster, cancellationToken) != ChangeOutcome.NotFound
                ? Null()
                : RouteNames.NoBackend;
    }

    /// <summary>JSON <c>null</c>, as the reference answers what has nothing to say.</summary>
    public static Microsoft.AspNetCore.Http.HttpResults.ContentHttpResult Null() => TypedResults.Content("null", "application/json");

    private static string? NotEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
