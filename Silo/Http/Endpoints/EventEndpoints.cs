using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Plane.Storage;

namespace Plane.Silo.Http.Endpoints;

/// <summary>What happened in clusters.</summary>
internal static class EventEndpoints
{
    /// <summary>The most events of a page.</summary>
    public const int MaxPage = 1_000;

    public static async Task<IResult> ReadAsync(
        HttpContext http,
        [FromQuery] string? cluster,
        [FromQuery] string? after,
        [FromQuery] string? limit,
        [FromServices] IChangeLog store,
        [FromServices] EventStreams streams,
        CancellationToken cancellationToken)
    {
        var query = new QueryReader(http.Request);
        if (!RouteNames.TryCluster(query.Text(nameof(cluster)), out var inCluster))
        {
            return RouteNames.BadCluster;
        }

        var from = query.Value<ClusterEventId>(nameof(after), ClusterEventId.Rule, t => ClusterEventId.TryParse(t, out var id) ? id : null);
        var most = (int?)query.Number(nameof(limit), 1, MaxPage) ?? 100;
        if (query.Problem is { } problem)
        {
            return ApiError.Invalid(problem);
        }

        var accepts = http.Request.GetTypedHeaders().Accept;
        var wantsPage = accepts.Any(a => a.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase))
            && !accepts.Any(a => a.MediaType.Equals("text/event-stream", StringComparison.OrdinalIgnoreCase));
        if (wantsPage)
        {
            return TypedResults.Json(await store.ReadEventsAsync(inCluster, from?.Position, most, cancellationToken), PlaneJson.Http);
        }

        // An EventSource that comes back states the last event that it has; its URL has the first position still.
        if (http.Request.Headers["Last-Event-ID"] is [{ } last] && ClusterEventId.TryParse(last, out var resumed))
        {
            from = resumed;
        }

        return await streams.WriteAsync(http, inCluster, from?.Position, cancellationToken);
    }
}
