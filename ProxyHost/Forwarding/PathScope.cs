using System.Buffers;
using System.Text;
using Plane.ProxyHost.Routes;
using Plane.ProxyHost.Sessions;

namespace Plane.ProxyHost.Forwarding;

/// <summary>
/// What a backend says of paths for the browser to keep, put below the token where the backend does not see the token: sessions of one host keep their cookies and service workers apart.
/// </summary>
internal static class PathScope
{
    private static readonly SearchValues<char> s_plainPath = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/");

    /// <summary>A <c>Set-Cookie</c> as the client gets it; null where the cookie is not the backend's to set.</summary>
    /// <param name="cookie">The header's value.</param>
    /// <param name="prefix">What the client's paths begin with and the backend's don't; or null.</param>
    public static string? OfCookie(string cookie, string? prefix)
    {
        var end = cookie.IndexOf(';', StringComparison.Ordinal);
        var pair = end < 0 ? cookie.AsSpan() : cookie.AsSpan(0, end);
        var equals = pair.IndexOf('=');
        var name = (equals <= 0 ? pair.TrimStart("= \t") : pair[..equals]).Trim(" \t");
        if (SessionCookie.IsReserved(name))
        {
            return null;
        }

        // A name with this prefix holds for the whole host, or a browser refuses it.
        if (prefix is null || end < 0 || name.StartsWith("__Host-", StringComparison.OrdinalIgnoreCase))
        {
            return cookie;
        }

        var moved = new StringBuilder(cookie.Length + prefix.Length).Append(pair);
        foreach (var range in cookie.AsSpan(end + 1).Split(';'))
        {
            var attribute = cookie.AsSpan(end + 1)[range];
            var path = PathOf(attribute);
            _ = path.StartsWith('/') && !IsBelow(path, prefix)
                ? moved.Append("; Path=").Append(prefix).Append(path.Length == 1 ? "" : path)
                : moved.Append(';').Append(attribute);
        }

        return moved.ToString();
    }

    /// <summary>
    /// A <c>Service-Worker-Allowed</c> as the client gets it; null where it would reach beyond the session. On a host that is not the session's own, a service worker above the token
    /// would see the tokens of all sessions that its user opens later.
    /// </summary>
    /// <param name="scope">The header's value.</param>
    /// <param name="entry">The route.</param>
    /// <param name="byCookie">Whether the host is the session's own.</param>
    public static string? OfServiceWorker(string scope, RouteEntry entry, bool byCookie)
    {
        if (byCookie)
        {
            return scope;
        }

        // Nothing that a browser would resolve to another path than is written here.
        if (!scope.StartsWith('/') || scope.AsSpan().ContainsAnyExcept(s_plainPath) || scope.Contains("..", StringComparison.Ordinal))
        {
            return null;
        }

        return scope.StartsWith(entry.PathPrefix + "/", StringComparison.Ordinal) ? scope : entry.KeepsToken ? null : entry.PathPrefix + scope;
    }

    private static ReadOnlySpan<char> PathOf(ReadOnlySpan<char> attribute)
    {
        var equals = attribute.IndexOf('=');
        return equals > 0 && attribute[..equals].Trim(" \t").Equals("path", StringComparison.OrdinalIgnoreCase) ? attribute[(equals + 1)..].Trim(" \t") : default;
    }

    private static bool IsBelow(ReadOnlySpan<char> path, string prefix) =>
        path.StartsWith(prefix, StringComparison.Ordinal) && (path.Length == prefix.Length || path[prefix.Length] == '/');
}
