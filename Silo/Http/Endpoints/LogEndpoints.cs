using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Plane.Silo.Http.Logs;
using Plane.Storage;

namespace Plane.Silo.Http.Endpoints;

/// <summary>What backends wrote, and what they use.</summary>
internal static class LogEndpoints
{
    // Year 9999.
    private const long LastMillisecond = 253_402_300_799_999;

    public static async Task<IResult> UsageAsync(string backend, [FromServices] IBackendStore store, [FromServices] DroneOutput drones, CancellationToken cancellationToken) =>
        !BackendName.TryParse(backend, out var name) || await store.ReadBackendAsync(name, cancellationToken) is not { } details
            ? RouteNames.NoBackend
            : await drones.TryReadUsageAsync(details, cancellationToken) is { } usage
                ? TypedResults.Json(usage, PlaneJson.Http)
                : new ApiError(ErrorKind.Other, $"drone {details.Drone} does not answer") { Status = StatusCodes.Status503ServiceUnavailable };

    public static async Task<IResult> ReadAsync(
        HttpContext http,
        string backend,
        [FromQuery] string? tail,
        [FromQuery] string? since,
        [FromQuery] string? after,
        [FromQuery] string? follow,
        [FromQuery] string? stream,
        [FromServices] IBackendStore store,
        [FromServices] LogStreams streams,
        CancellationToken cancellationToken)
    {
        var query = new QueryReader(http.Request);
        var wanted = new LogQuery
        {
            Tail = (int?)query.Number(nameof(tail), 0, OutputRequest.MaxTail) ?? 100,
            Since = query.Number(nameof(since), 0, LastMillisecond) is { } milliseconds ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds) : null,
            After = query.Number(nameof(after), 0, long.MaxValue),
            Follow = query.Flag(nameof(follow)),
            Stream = query.Value<OutputStream>(nameof(stream), "must be stdout or stderr", t => t == "stdout" ? OutputStream.Stdout : t == "stderr" ? OutputStream.Stderr : null),
        };
        if (query.Problem is { } problem)
        {
            return ApiError.Invalid(problem);
        }

        if (wanted is { After: not null, Follow: false })
        {
            return ApiError.Invalid("after needs follow=true");
        }

        return BackendName.TryParse(backend, out var name) && await store.ReadBackendAsync(name, cancellationToken) is { } details
            ? await streams.WriteAsync(http, details, wanted, cancellationToken)
            : RouteNames.NoBackend;
    }
}
