using Microsoft.AspNetCore.Http;

namespace Plane.ProxyHost.Forwarding;

/// <summary>What the proxy adds to responses.</summary>
internal static class ResponseHeaders
{
    public const string Server = "plane";
    public const string BackendId = "x-plane-backend-id";

    /// <summary>The permissive CORS headers: the secret is in the URL, so no origin gains anything by another's cookies.</summary>
    public static void AllowAllOrigins(IHeaderDictionary headers)
    {
        headers.AccessControlAllowOrigin = "*";
        headers.AccessControlAllowMethods = "*";
        headers.AccessControlAllowHeaders = "*, Authorization";
    }

    /// <summary>Lets pages of one origin use the session with the credentials that its user has for it.</summary>
    public static void AllowOrigin(IHeaderDictionary headers, string origin)
    {
        headers.AccessControlAllowOrigin = origin;
        headers.AccessControlAllowCredentials = "true";
        headers.Append("Vary", "Origin");
    }
}
