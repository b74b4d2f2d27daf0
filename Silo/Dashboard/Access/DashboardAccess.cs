using System.Security.Claims;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Plane.Silo.Http.Access;

namespace Plane.Silo.Dashboard.Access;

/// <summary>Marks a route of the dashboard.</summary>
internal sealed class DashboardRoute;

/// <summary>
/// Who may use the dashboard: who holds the control token, which is asked for once and then stands for by a cookie of the platform's cookie authentication; where no token is configured, who may use <c>/ctrl</c>. The cookie
/// opens no route of <c>/ctrl</c>, so that no page of another site can use it there.
/// </summary>
internal static class DashboardAccess
{
    /// <summary>The scheme of the cookie.</summary>
    public const string Cookie = "dashboard";

    private static readonly TimeSpan s_session = TimeSpan.FromHours(12);

    public static IServiceCollection AddDashboardAccess(this IServiceCollection services, ControllerOptions options)
    {
        services.AddSingleton<IDataProtectionProvider>(_ => TokenDataProtection.Of(options.TryReadToken(out var token, out var _) ? token : null));
        services.AddAntiforgery(o =>
        {
            o.FormFieldName = "antiforgery";
            o.Cookie.Name = "plane-form";
            o.Cookie.SameSite = SameSiteMode.Strict;
            o.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
            o.SuppressXFrameOptionsHeader = true;
        });
        new AuthenticationBuilder(services).AddCookie(Cookie, o =>
        {
            o.Cookie.Name = "plane-session";
            o.Cookie.HttpOnly = true;
            o.Cookie.SameSite = SameSiteMode.Strict;
            o.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
            o.Cookie.IsEssential = true;
            o.ExpireTimeSpan = s_session;
            o.SlidingExpiration = false;
            o.LoginPath = "/login";
            o.ReturnUrlParameter = "to";
            o.Events.OnRedirectToLogin = context =>
            {
                // A script's request can't follow to a page: it says that the session is over.
                context.Response.StatusCode = context.Request.Path.StartsWithSegments("/data", StringComparison.Ordinal) || !HttpMethods.IsGet(context.Request.Method)
                    ? StatusCodes.Status401Unauthorized
                    : StatusCodes.Status303SeeOther;
                if (context.Response.StatusCode == StatusCodes.Status303SeeOther)
                {
                    context.Response.Headers.Location = context.RedirectUri;
                }
                else
                {
                    context.Response.ContentType = "text/plain";
                }

                return Task.CompletedTask;
            };
        });
        return services;
    }

    /// <summary>Leaves out the platform's own keys, which it would write to the user's home at the start: <see cref="TokenDataProtection"/> is in their place.</summary>
    public static void RemoveKeyRing(this IServiceCollection services)
    {
        foreach (var start in services.Where(d => d.ServiceType == typeof(IHostedService) && d.ImplementationType?.Assembly == typeof(DataProtectionOptions).Assembly).ToList())
        {
            services.Remove(start);
        }
    }

    /// <summary>Whether a request is one to the dashboard that its cookie decides about.</summary>
    public static bool AsksForLogin(HttpContext context, ControlToken token, ForwardAuth forward) =>
        context.GetEndpoint()?.Metadata.GetMetadata<DashboardRoute>() is not null && token.IsConfigured && !forward.IsConfigured && !token.Allows(context.Request);

    /// <summary>Logs in: a new session, whatever cookie the request brought.</summary>
    public static Task LogInAsync(HttpContext context) => context.SignInAsync(
        Cookie, new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, "operator")], Cookie)), new AuthenticationProperties { IsPersistent = false });

    /// <summary>Whether the form that a request brings was made for this browser by the dashboard.</summary>
    public static async Task<bool> IsOwnFormAsync(HttpContext context) =>
        context.Request.HasFormContentType && await context.RequestServices.GetRequiredService<IAntiforgery>().IsRequestValidAsync(context);
}
