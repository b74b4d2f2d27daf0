using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Plane.Grains.Storage;
using Plane.Hosting;

namespace Plane.Silo.Http.Endpoints;

/// <summary>The answer of the health routes.</summary>
internal sealed record HealthResponse
{
    /// <summary>Always <c>ok</c>: anything else is an error.</summary>
    public string Status { get; init; } = "ok";
}

/// <summary>The answer of <c>GET /ctrl/status</c>.</summary>
internal sealed record StatusResponse
{
    /// <summary>Always <c>ok</c>: anything else is an error.</summary>
    public string Status { get; init; } = "ok";

    /// <summary>The controller's version.</summary>
    public required string Version { get; init; }

    /// <summary>The source revision it was built from.</summary>
    public required string Hash { get; init; }
}

/// <summary>Whether the controller lives, and whether it can serve connects; if not, why.</summary>
internal static class HealthEndpoints
{
    public static IResult Live() => TypedResults.Json(new HealthResponse(), PlaneJson.Http);

    public static async Task<IResult> HealthAsync([FromServices] DatabaseProbe database, [FromServices] IPlaneStore store) =>
        await ProblemAsync(database, store) is { } problem ? problem : TypedResults.Json(new HealthResponse(), PlaneJson.Http);

    public static async Task<IResult> StatusAsync([FromServices] DatabaseProbe database, [FromServices] IPlaneStore store) =>
        await ProblemAsync(database, store) is { } problem
            ? problem
            : TypedResults.Json(new StatusResponse { Version = PlaneVersion.Current.Version, Hash = PlaneVersion.Current.Hash }, PlaneJson.Http);

    private static async Task<ApiError?> ProblemAsync(DatabaseProbe database, IPlaneStore store) =>
        // Without descriptors the database cannot be reached either.
        FileDescriptors.Problem() is { } descriptors ? Problem(ErrorKind.Other, descriptors)
        : await database.ProblemAsync() is { } reason ? Problem(ErrorKind.DatabaseError, $"the database is unavailable: {reason}")
        : store.ClockProblem is { } clock ? Problem(ErrorKind.Other, clock)
        : null;

    // 500 as in the reference: those who watch it expect that. What is wrong has its own line in the log, so that the questions need none.
    private static ApiError Problem(ErrorKind kind, string message) =>
        new(kind, message) { Status = StatusCodes.Status500InternalServerError, IsLogged = true };
}
