using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Plane.Storage;

namespace Plane.Silo.Http.Endpoints;

/// <summary>What happened in clusters.</summary>
internal static class EventEndpoints
{
    private const int MaxPage = 1_000;

    public static async Task<IResult> ReadAsync(
        HttpContext http, [FromServices] IChangeLog store, [FromServices] EventStreams streams, CancellationToken cancellationToken)
    {
        var query = new QueryReader(http.Request);
        if (!RouteNames.TryCluster(query.Text("cluster"), out var cluster))
        {
            return RouteNames.BadCluster;
        }

        var after = query.Value<ClusterEventId>("after", ClusterEventId.Rule, t => ClusterEventId.TryParse(t, out var id) ? id : null);
        var limit = (int?)query.Number("limit", 1, MaxPage) ?? 100;
        if (query.Problem is { } problem)
        {
            return ApiError.Invalid(problem);
        }

        var accepts = http.Request.GetTypedHeaders().Accept;
        var wantsPage = accepts.Any(a => a.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase))
            && !accepts.Any(a => a.MediaType.Equals("text/event-stream", StringComparison.OrdinalIgnoreCase));
        if (wantsPage)
        {
            return TypedResults.Json(await store.ReadEventsAsync(cluster, after?.Position, limit, cancellationToken), PlaneJson.Http);
        }

        // An EventSource that comes back states the last event that it has; its URL has the first position still.
        if (http.Request.Headers["Last-Event-ID"] is [{ } last] && ClusterEventId.TryParse(last, out var resumed))
        {
            after = resumed;
        }

        return await streams.WriteAsync(http, cluster, after?.Position, cancellationToken);
    }
}
