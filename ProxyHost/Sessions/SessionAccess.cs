using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Plane.ProxyHost.Answers;
using Plane.ProxyHost.Forwarding;
using Plane.ProxyHost.Routes;

namespace Plane.ProxyHost.Sessions;

/// <summary>
/// Which requests may use a session's cookie, or what else a browser sends to a host by itself. A browser sends it with whatever it requests from the session's host, also for a page of another session, whose host is of the same site, so
/// that <c>SameSite</c> does not keep it back. What pages of other origins may do is: lead to the session, show it in a frame where the spawn config says <c>embed</c>, and everything
/// where it, or the operator, allows their origin.
/// </summary>
internal sealed class SessionAccess(ProxyOptions options, ClusterName cluster, RouteCache routes)
{
    private readonly string _scheme = cluster.Scheme + "://";
    private readonly string _suffix = "." + cluster.Host + (cluster.Port is 80 or 443 ? "" : $":{cluster.Port}");

    /// <summary>Whether the token leads to a session of this very host, rather than to one that has no origin of its own or another.</summary>
    public static bool Admits(RouteEntry entry, ReadOnlySpan<char> subdomain) =>
        !entry.KeepsToken && entry.Route.Subdomain is { Length: > 0 } own && subdomain.Equals(own, StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether pages of the origin may use the session with credentials.</summary>
    public bool Allows(WebRules rules, string origin) =>
        rules.AllowedOrigins.Contains(origin, StringComparer.OrdinalIgnoreCase) || options.AllowedOrigins.Contains(origin, StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// Whether a request with credentials may follow a preflight, which carries no cookie: the operator allows the origin, or a session of this subdomain that is known here does. Which
    /// session it is, and whether it does, is decided when the request comes.
    /// </summary>
    public bool AllowsPreflight(string subdomain, string origin) =>
        options.AllowedOrigins.Contains(origin, StringComparer.OrdinalIgnoreCase) || routes.AllowsOrigin(subdomain, origin);

    /// <summary>Whether the answer to a request depends on the origin that it comes from.</summary>
    public bool DependsOnOrigin(WebRules rules) => options.AllowedOrigins.Length > 0 || rules.AllowedOrigins.Length > 0;

    /// <summary>Why a request by cookie is refused, or null.</summary>
    public ProxyError? Refusal(HttpContext context, WebRules rules, ReadOnlySpan<char> subdomain)
    {
        var headers = context.Request.Headers;
        var origin = headers.Origin;
        if (context.Request.Headers.Upgrade.Count != 0 || UpgradeRule.IsUpgrade(context))
        {
            // A browser always sends it (RFC 6455 section 4.1); what isn't a browser has no cookies that others could use.
            return origin.Count == 0 || IsOwn(origin, subdomain) || IsAllowed(rules, origin) ? null : ProxyError.ForeignOrigin;
        }

        var site = headers["Sec-Fetch-Site"];
        if (Is(site, "same-origin") || Is(site, "none") || IsAllowed(rules, origin))
        {
            return null;
        }

        if (site.Count == 0)
        {
            // Not a browser, or plain HTTP, over which browsers do not say (Fetch Metadata). "null" is what a form of the session's own page has under Referrer-Policy: no-referrer.
            return origin.Count == 0 || Is(origin, "null") || IsOwn(origin, subdomain) ? null : ProxyError.ForeignOrigin;
        }

        var isNavigation = Is(headers["Sec-Fetch-Mode"], "navigate") && (HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method));
        return !isNavigation ? ProxyError.ForeignOrigin
            : rules.IsEmbeddable || Is(headers["Sec-Fetch-Dest"], "document") ? null
            : ProxyError.NotEmbeddable;
    }

    private bool IsAllowed(WebRules rules, StringValues origin) => origin.Count == 1 && Allows(rules, origin.ToString());

    private bool IsOwn(StringValues origin, ReadOnlySpan<char> subdomain)
    {
        var text = origin.Count == 1 ? origin.ToString().AsSpan() : default;
        return text.Length == _scheme.Length + subdomain.Length + _suffix.Length
            && text.StartsWith(_scheme, StringComparison.OrdinalIgnoreCase)
            && text.EndsWith(_suffix, StringComparison.OrdinalIgnoreCase)
            && text.Slice(_scheme.Length, subdomain.Length).Equals(subdomain, StringComparison.OrdinalIgnoreCase);
    }

    private static bool Is(StringValues value, string expected) => value.Count == 1 && string.Equals(value.ToString(), expected, StringComparison.Ordinal);
}
