using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace Plane.Silo.Http.Endpoints;

/// <summary>The parameters of <c>GET /ctrl/backends</c>. Texts, so that each refusal says in the API's words what is wrong; an empty one is none.</summary>
internal sealed record BackendListQuery
{
    private const int MaxCursor = 512;
    private const string Live = "live";

    public static ApiError BadCursor { get; } = ApiError.Invalid("cursor must be the next_cursor of an earlier page");

    [FromQuery(Name = "cluster")]
    public string? Cluster { get; init; }

    [FromQuery(Name = "status")]
    public string? Status { get; init; }

    [FromQuery(Name = "drone")]
    public string? Drone { get; init; }

    [FromQuery(Name = "key")]
    public string? Key { get; init; }

    [FromQuery(Name = "service")]
    public string? Service { get; init; }

    [FromQuery(Name = "limit")]
    public string? Limit { get; init; }

    [FromQuery(Name = "cursor")]
    public string? Cursor { get; init; }

    /// <summary>Reads them.</summary>
    /// <param name="given">As they came: none may be given twice.</param>
    /// <param name="query">What to list.</param>
    /// <returns>What is wrong, or <see langword="null"/>.</returns>
    public ApiError? Read(IQueryCollection given, out BackendQuery query)
    {
        query = new BackendQuery();
        if (given.FirstOrDefault(p => p.Value.Count > 1 && p.Key is "cluster" or "status" or "drone" or "key" or "service" or "limit" or "cursor") is { Key: { } twice })
        {
            return ApiError.Invalid($"{twice} is given twice");
        }

        if (!TryName<ClusterName>(Cluster, out var cluster))
        {
            return RouteNames.BadCluster;
        }

        BackendStatus? status = null;
        if (Status is { Length: > 0 } and not Live)
        {
            if (!BackendTransitions.TryParseWireName(Status, out var wanted))
            {
                return ApiError.Invalid($"status must be live or one of {string.Join(", ", BackendTransitions.Order.Select(s => s.WireName()))}");
            }

            status = wanted;
        }

        if (!TryName<DroneName>(Drone, out var drone))
        {
            return ApiError.Invalid("drone is not valid: " + DroneName.Rule);
        }

        if (Key is { Length: > 0 } && NameRules.TextProblem(Key, 1) is { } problem)
        {
            return ApiError.Invalid($"key {problem}");
        }

        if (!TryName<ServiceName>(Service, out var service))
        {
            return ApiError.Invalid("service is not valid: " + ServiceName.Rule);
        }

        var limit = query.Limit;
        if (Limit is { Length: > 0 } && (!int.TryParse(Limit, NumberStyles.None, CultureInfo.InvariantCulture, out limit) || limit is < 1 or > BackendQuery.MaxLimit))
        {
            return ApiError.Invalid($"limit must be from 1 to {BackendQuery.MaxLimit}");
        }

        if (Cursor is { Length: > MaxCursor })
        {
            return BadCursor;
        }

        query = new BackendQuery
        {
            Cluster = cluster, Live = Status == Live, Status = status, Drone = drone, KeyName = NotEmpty(Key), Service = service, Limit = limit, Cursor = NotEmpty(Cursor),
        };
        return null;
    }

    private static bool TryName<T>(string? text, out T? name)
        where T : struct, IPlaneName<T>
    {
        name = null;
        if (string.IsNullOrEmpty(text))
        {
            return true;
        }

        var isValid = T.TryParse(text, out var read);
        name = isValid ? read : null;
        return isValid;
    }

    private static string? NotEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
