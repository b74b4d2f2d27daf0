using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Plane.Silo.Http;
using Plane.Silo.Http.Endpoints;
using Plane.Silo.Http.Logs;
using Plane.Storage;

namespace Plane.Silo.Dashboard;

/// <summary>What the dashboard's script reads. It reads only: the dashboard's cookie opens nothing that changes something without a form of its own.</summary>
internal static class DataHandlers
{
    public static async Task<IResult> BackendsAsync(HttpContext http, [FromServices] IBackendStore store, CancellationToken cancellationToken)
    {
        try
        {
            return BackendSelection.Read(http.Request).Query is { } query
                ? TypedResults.Json(await store.ListBackendsAsync(query with { Limit = BackendQuery.MaxLimit }, cancellationToken), PlaneJson.Http)
                : TypedResults.Json(new BackendPage(), PlaneJson.Http);
        }
        catch (FormatException)
        {
            return ApiError.Invalid("cursor must be the next_cursor of an earlier page");
        }
    }

    public static async Task<IResult> EventsAsync(HttpContext http, [FromServices] IChangeLog changes, CancellationToken cancellationToken)
    {
        var after = ClusterEventId.TryParse(http.Request.Query["after"], out var id) ? id.Position : (LogPosition?)null;
        return TypedResults.Json(await changes.ReadEventsAsync(null, after, after is null ? 1 : 1_000, cancellationToken), PlaneJson.Http);
    }

    public static async Task<IResult> LogsAsync(
        HttpContext http, string backend, [FromServices] IBackendStore store, [FromServices] LogStreams streams, CancellationToken cancellationToken)
    {
        var after = long.TryParse(http.Request.Query["after"], NumberStyles.None, CultureInfo.InvariantCulture, out var position) ? position : (long?)null;
        return BackendName.TryParse(backend, out var name) && await store.ReadBackendAsync(name, cancellationToken) is { } details
            ? await streams.WriteAsync(http, details, new LogQuery { Tail = 500, Follow = true, After = after }, cancellationToken)
            : RouteNames.NoBackend;
    }
}
