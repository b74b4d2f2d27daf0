using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.HttpOverrides;
using Plane.Hosting;

namespace Plane.Silo.Http.Access;

/// <summary>
/// What guards <c>/ctrl</c> where callers are not authenticated, on loopback: this machine is trusted, but not the pages in its browsers. One of any site can send
/// requests here, and by a name of its own that resolves to 127.0.0.1 (DNS rebinding) even read the answers. Its requests tell by what browsers don't let it set:
/// <c>Host</c>, <c>Origin</c>, <c>Sec-Fetch-Site</c>. Behind a trusted load balancer both hosts must be ours, the one that it was asked under and the one that it asks under, and its caller must be on this machine.
/// </summary>
internal sealed class LocalCallers(ControllerOptions options)
{
    private readonly bool _onLoopback = WebListener.IsLoopback(options.Host);

    /// <summary>Why the request is refused, and what to do about it; null where it may pass.</summary>
    public string? RefusalOf(HttpRequest request)
    {
        if (!_onLoopback)
        {
            return null;
        }

        if (request.HttpContext.Connection.RemoteIpAddress is { } caller && !IPAddress.IsLoopback(caller))
        {
            return "without --ctrl-token-file or --forward-auth this route answers callers of this machine only; set one of them";
        }

        if (!IsOurs(request.Host.Host) || request.Headers[ForwardedHeadersDefaults.XOriginalHostHeaderName].Any(h => !IsOurs(new HostString(h ?? "").Host)))
        {
            return "without --ctrl-token-file or --forward-auth this route answers under localhost, a loopback address or the host of --controller-url only; "
                + "set one of them";
        }

        return request.Headers["Sec-Fetch-Site"].Any(s => "cross-site".Equals(s, StringComparison.OrdinalIgnoreCase))
            || request.Headers.Origin.Any(o => !IsOurOrigin(o, request.Host))
                ? "without --ctrl-token-file or --forward-auth this route does not answer pages of other sites; set one of them"
                : null;
    }

    private bool IsOurs(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address))
        || (options.ControllerUrl is { } url && host.Length > 0 && host.Trim('[', ']').Equals(url.DnsSafeHost, StringComparison.OrdinalIgnoreCase));

    private bool IsOurOrigin(string? origin, HostString host) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var from)
        && from.Scheme is "http" or "https"
        && (from.Authority.Equals(host.Value, StringComparison.OrdinalIgnoreCase)
            || from.Authority.Equals(options.ControllerUrl?.Authority, StringComparison.OrdinalIgnoreCase));
}
