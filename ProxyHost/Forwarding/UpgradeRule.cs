using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;

namespace Plane.ProxyHost.Forwarding;

/// <summary>
/// WebSocket is the one protocol that a request may switch to. Any other (h2c above all) would give the client a line to the backend on which nothing removes
/// or adds headers.
/// </summary>
internal static class UpgradeRule
{
    /// <summary>Drops an upgrade to anything else: the request then continues as the ordinary one that it also is (RFC 9110 section 7.8).</summary>
    public static void Apply(HttpContext context)
    {
        var headers = context.Request.Headers;
        if (headers.Upgrade.Count != 0 && !(IsUpgrade(context) && HttpMethods.IsGet(context.Request.Method)))
        {
            headers.Remove(HeaderNames.Upgrade);
        }
    }

    /// <summary>Whether it is a WebSocket handshake, over HTTP/1.1 or HTTP/2 (RFC 8441).</summary>
    public static bool IsUpgrade(HttpContext context) =>
        (context.Request.Headers.Upgrade is { Count: 1 } upgrade
            && string.Equals(upgrade.ToString(), "websocket", StringComparison.OrdinalIgnoreCase)
            && context.Features.Get<IHttpUpgradeFeature>() is { IsUpgradableRequest: true })
        || context.Features.Get<IHttpExtendedConnectFeature>() is { IsExtendedConnect: true, Protocol: "websocket" };
}
