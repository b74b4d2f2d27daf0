using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Diagnostics.HealthChecks;
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

    public static async Task<IResult> HealthAsync([FromServices] HealthCheckService health, CancellationToken cancellationToken) =>
        await ProblemAsync(health, cancellationToken) is { } problem ? problem : TypedResults.Json(new HealthResponse(), PlaneJson.Http);

    public static async Task<IResult> StatusAsync([FromServices] HealthCheckService health, CancellationToken cancellationToken) =>
        await ProblemAsync(health, cancellationToken) is { } problem
            ? problem
            : TypedResults.Json(new StatusResponse { Version = PlaneVersion.Current.Version, Hash = PlaneVersion.Current.Hash }, PlaneJson.Http);

    // The first in the order of registration: without descriptors there is no database, and without the database nothing else matters.
    private static async Task<ApiError?> ProblemAsync(HealthCheckService health, CancellationToken cancellationToken)
    {
        var report = await health.CheckHealthAsync(cancellationToken);
        var (name, worst) = report.Entries.FirstOrDefault(e => e.Value.Status != HealthStatus.Healthy);
        return name is null ? null : Problem(name == DatabaseProbe.Check ? ErrorKind.DatabaseError : ErrorKind.Other, worst.Description ?? worst.Exception?.Message ?? name);
    }

    // 500 as in the reference: those who watch it expect that. What is wrong has its own line in the log, so that the questions need none.
    private static ApiError Problem(ErrorKind kind, string message) =>
        new(kind, message) { Status = StatusCodes.Status500InternalServerError, IsLogged = true };
}
