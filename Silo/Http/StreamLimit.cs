using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Plane.Silo.Http;

/// <summary>
/// How many answers of a kind may be open at once. ASP.NET Core's middleware for rate limits wakes up every 100 ms, for limits that come and go with their users, and nothing ends that with its host.
/// </summary>
internal static class StreamLimit
{
    private static readonly ApiError s_tooMany =
        new(ErrorKind.Other, "too many streams of this kind are open; retry later") { Status = StatusCodes.Status503ServiceUnavailable };

    public static IServiceCollection AddStreamLimit(this IServiceCollection services, string kind, int most) =>
        services.AddKeyedSingleton(kind, (_, _) => new ConcurrencyLimiter(new ConcurrencyLimiterOptions { PermitLimit = most }));

    public static RouteHandlerBuilder WithStreamLimit(this RouteHandlerBuilder route, string kind) => route.AddEndpointFilter(async (context, next) =>
    {
        using var lease = context.HttpContext.RequestServices.GetRequiredKeyedService<ConcurrencyLimiter>(kind).AttemptAcquire();
        return lease.IsAcquired ? await next(context) : s_tooMany;
    });
}
