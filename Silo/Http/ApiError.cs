using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Plane.Storage;

namespace Plane.Silo.Http;

/// <summary>
/// An error as the answer of a route: <c>{id, kind, message}</c>, with the id in the log. The message names the field or what to do; it holds no value of the
/// request, no name of a type and no secret.
/// </summary>
/// <param name="Kind">The kind.</param>
/// <param name="Message">For the caller.</param>
internal sealed record ApiError(ErrorKind Kind, string Message) : IResult
{
    /// <summary>Where a 503 asks to be tried again. One second: what a lost race or a failover of the database takes at the least.</summary>
    private const int RetryAfterSeconds = 1;

    /// <summary>The status, where it isn't the kind's own.</summary>
    public int Status { get; init; } = ErrorStatus.Of(Kind);

    /// <summary>When the request may be tried again, where that is known; in whole seconds on the wire, rounded up.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>What the backend wrote whose failure is why: for the caller, not for the log.</summary>
    public string? OutputTail { get; init; }

    /// <summary>Whether the log says elsewhere what is wrong, once for all requests that meet it.</summary>
    public bool IsLogged { get; init; }

    /// <summary>What happened, for the log alone.</summary>
    public Exception? Cause { get; init; }

    public static ApiError NotFound(string what) => new(ErrorKind.NotFound, $"there is no such {what}");

    public static ApiError Invalid(FieldError problem) => new(ErrorKind.InvalidRequest, problem.Message);

    public static ApiError Invalid(string message) => new(ErrorKind.InvalidRequest, message);

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        var id = RandomText.Name("");
        var services = httpContext.RequestServices;
        // An outage has its own line, with its cause: one for each request that it fails would bury it.
        var isLogged = IsLogged || (Kind == ErrorKind.DatabaseError && services.GetRequiredService<IStore>().Outage is not null);
        (this with { IsLogged = isLogged }).Log(services.GetRequiredService<ILogger<ApiError>>(), id, httpContext.Request);
        services.GetRequiredService<HttpMetrics>().Error(Kind);
        var response = httpContext.Response;
        response.StatusCode = Status;
        if (Status == StatusCodes.Status503ServiceUnavailable || RetryAfter is not null)
        {
            var seconds = Math.Max(RetryAfterSeconds, Math.Ceiling(RetryAfter?.TotalSeconds ?? 0));
            response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }

        if (Status == StatusCodes.Status401Unauthorized)
        {
            response.Headers.WWWAuthenticate = "Bearer";
        }

        response.Headers.CacheControl = "no-store";
        await response.WriteAsJsonAsync(new PlaneError { Id = id, Kind = Kind, Message = Message, OutputTail = OutputTail }, PlaneJson.Http, httpContext.RequestAborted);
    }
}
