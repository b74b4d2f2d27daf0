using Microsoft.AspNetCore.Http;

namespace Plane.Silo.Http.Access;

/// <summary>
/// Lets a request to a protected route pass that carries the control token or that the forward-auth service allows; with neither configured, every request but
/// those that another site's page makes (<see cref="LocalCallers"/>). Runs after routing, so that it decides about the very route that will be called.
/// </summary>
internal sealed class AccessMiddleware(RequestDelegate next, ControlToken token, ForwardAuth forward, LocalCallers local)
{
    public async Task InvokeAsync(HttpContext context)
    {
        var refusal = await RefusalAsync(context);
        await (refusal is null ? next(context) : refusal.ExecuteAsync(context));
    }

    private async Task<ApiError?> RefusalAsync(HttpContext context)
    {
        // No route: a 404 tells nothing. Under /pub there are only public ones, and what routing itself answers there (405) is no secret either.
        if (context.GetEndpoint() is not { } endpoint
            || endpoint.Metadata.GetMetadata<PublicRoute>() is not null
            || context.Request.Path.StartsWithSegments("/pub", StringComparison.OrdinalIgnoreCase)
            || token.Allows(context.Request))
        {
            return null;
        }

        if (!token.IsConfigured && !forward.IsConfigured)
        {
            return local.RefusalOf(context.Request) is { } why ? new ApiError(ErrorKind.Unauthorized, why) : null;
        }

        var verdict = forward.IsConfigured ? await forward.AskAsync(context.Request, context.RequestAborted) : ForwardAuthVerdict.Refused;
        return verdict switch
        {
            ForwardAuthVerdict.Allowed => null,
            ForwardAuthVerdict.Refused => new ApiError(ErrorKind.Unauthorized, "this route needs authorization"),
            _ => new ApiError(ErrorKind.ForwardAuthUnavailable, "the service that authorizes requests could not be reached"),
        };
    }
}
