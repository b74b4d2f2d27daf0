using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
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

/// <summary>Whether the controller lives, and its database.</summary>
internal static class HealthEndpoints
{
    public static IResult Live() => TypedResults.Json(new HealthResponse(), PlaneJson.Http);

    public static async Task<IResult> HealthAsync([FromServices] DatabaseProbe database) =>
        await database.IsReachableAsync() ? TypedResults.Json(new HealthResponse(), PlaneJson.Http) : Away;

    public static async Task<IResult> StatusAsync([FromServices] DatabaseProbe database) =>
        await database.IsReachableAsync()
            ? TypedResults.Json(new StatusResponse { Version = PlaneVersion.Current.Version, Hash = PlaneVersion.Current.Hash }, PlaneJson.Http)
            : Away;

    // 500 as in the reference: those who watch it expect that.
    private static ApiError Away { get; } = new(ErrorKind.DatabaseError, "the database is away") { Status = StatusCodes.Status500InternalServerError };
}
