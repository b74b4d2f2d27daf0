using Microsoft.AspNetCore.Http;

namespace Plane.Silo.Http.Access;

/// <summary>
/// What guards changes under <c>/ctrl</c> where the forward-auth service may know a caller by a cookie: a browser sends it with the requests of any page, of other sites too. They tell by what
/// browsers don't let a page set: <c>Sec-Fetch-Site</c> and <c>Origin</c>. Programs send neither.
/// </summary>
internal sealed class ForeignPages(ControllerOptions options)
{
    /// <summary>Why the request is refused; null where it may pass.</summary>
    public string? RefusalOf(HttpRequest request)
    {
        if (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) || HttpMethods.IsOptions(request.Method)
            || !request.Path.StartsWithSegments("/ctrl", StringComparison.OrdinalIgnoreCase))
        {
            // What only reads can't be read by another origin: /ctrl has no CORS. The dashboard's forms have a guard of their own.
            return null;
        }

        return request.Headers["Sec-Fetch-Site"].All(IsOwnSite) && request.Headers.Origin.All(o => IsOwnOrigin(o, request))
            ? null
            : "with --forward-auth, only pages of the controller's own origin may send this request: a browser would send it as the user who is logged in";
    }

    private static bool IsOwnSite(string? site) =>
        "same-origin".Equals(site, StringComparison.OrdinalIgnoreCase) || "none".Equals(site, StringComparison.OrdinalIgnoreCase);

    // HTTPS may end at a load balancer that is not trusted with the scheme. The other way round, a page of http:// is another origin than https://, which anyone on the network could write.
    private bool IsOwnOrigin(string? origin, HttpRequest request) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var from)
        && ((from.Authority.Equals(request.Host.Value, StringComparison.OrdinalIgnoreCase) && (from.Scheme == Uri.UriSchemeHttps || from.Scheme == request.Scheme))
            || from.GetLeftPart(UriPartial.Authority).Equals(options.ControllerUrl?.GetLeftPart(UriPartial.Authority), StringComparison.OrdinalIgnoreCase));
}
