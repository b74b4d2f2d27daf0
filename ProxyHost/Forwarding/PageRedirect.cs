using Microsoft.AspNetCore.Http;
using Plane.ProxyHost.Answers;
using Plane.ProxyHost.Routes;

namespace Plane.ProxyHost.Forwarding;

/// <summary>
/// A session's URL without the slash at its end, as it is after copying by hand, shown as a page: its relative links would lead past the session (RFC 3986 section 5.2.3), so the
/// browser is sent to the URL with the slash. A program that asks for no page gets what it asked for.
/// </summary>
internal static class PageRedirect
{
    /// <summary>Where the browser is sent; null where the request is forwarded.</summary>
    public static string? LocationOf(HttpContext context, RouteEntry entry, Asked asked)
    {
        // A static token is part of the backend's own path.
        var target = asked.Target;
        if (asked.ByCookie || entry.KeepsToken || RequestTarget.Path(target).Length != 1 + entry.Token.Value.Length)
        {
            return null;
        }

        var method = context.Request.Method;
        return (HttpMethods.IsGet(method) || HttpMethods.IsHead(method))
            && context.Request.Headers.Upgrade.Count == 0
            && ErrorResponses.AcceptsPage(context.Request)
            ? target.Insert(1 + entry.Token.Value.Length, "/")
            : null;
    }

    public static void Write(HttpContext context, string location)
    {
        var response = context.Response;
        response.StatusCode = StatusCodes.Status302Found;
        response.Headers.Location = location;
        response.Headers.CacheControl = "no-store";
        response.Headers.Server = ResponseHeaders.Server;
    }
}
