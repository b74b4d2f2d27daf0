using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Plane.Hosting.Configuration;
using Plane.Silo.Dashboard.Access;

namespace Plane.Silo.Http.Access;

/// <summary>
/// Who may call a route that is not marked as open to anyone: the holder of the control token, or a caller that the forward-auth service allows; with neither configured, every caller but another site's
/// page (<see cref="LocalCallers"/>). Each is an authentication scheme; a forgotten mark closes a route, since the fallback policy needs one of them.
/// </summary>
internal static class AccessSchemes
{
    private const string Token = "control-token";
    private const string Forward = "forward-auth";
    private const string Local = "local-caller";
    private const string Open = "open";
    private const string OneOfThem = "access";

    public static IServiceCollection AddPlaneAccess(this IServiceCollection services, ControllerOptions options)
    {
        services.AddSingleton<ForwardAuth>();
        services.AddSingleton<ForeignPages>();
        services.AddSingleton<LocalCallers>();
        services.AddSingleton(_ => new ControlToken(options.TryReadToken(out var token, out var problem)
            ? token
            : throw new UsageException($"--ctrl-token-file is {OptionNames.Quote(options.CtrlTokenFile)}: {problem}")));

        // Not AddAuthentication, which brings keys for cookies that it writes to the user's home at the start.
        services.AddAuthenticationCore();
        services.AddWebEncoders();
        new AuthenticationBuilder(services)
            .AddScheme<AuthenticationSchemeOptions, ControlTokenHandler>(Token, null)
            .AddScheme<AuthenticationSchemeOptions, ForwardAuthHandler>(Forward, null)
            .AddScheme<AuthenticationSchemeOptions, LocalCallerHandler>(Local, null)
            .AddScheme<AuthenticationSchemeOptions, OpenHandler>(Open, null)
            .AddPolicyScheme(OneOfThem, null, o => o.ForwardDefaultSelector = Select);
        services.AddDashboardAccess(options);
        services.AddAuthorization(o => o.FallbackPolicy = new AuthorizationPolicyBuilder(OneOfThem).RequireAuthenticatedUser().Build());
        return services;
    }

    // One of them: the token spares the question to the service.
    private static string Select(HttpContext context)
    {
        var token = context.RequestServices.GetRequiredService<ControlToken>();
        var forward = context.RequestServices.GetRequiredService<ForwardAuth>();
        return !IsProtected(context) ? Open
            : DashboardAccess.AsksForLogin(context, token, forward) ? DashboardAccess.Cookie
            : !token.IsConfigured && !forward.IsConfigured ? Local
            : forward.IsConfigured && !token.Allows(context.Request) ? Forward
            : Token;
    }

    // No route: a 404 tells nothing. Under /pub there are only public ones, and what routing itself answers there (405) is not a secret either.
    private static bool IsProtected(HttpContext context) =>
        context.GetEndpoint() is { } endpoint
        && endpoint.Metadata.GetMetadata<IAllowAnonymous>() is null
        && !context.Request.Path.StartsWithSegments("/pub", StringComparison.OrdinalIgnoreCase);
}
