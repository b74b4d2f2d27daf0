using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Plane.ProxyHost.Sessions;

/// <summary>
/// The cookie that holds a browser session's token, or a visitor's signed one. It belongs to one host, and over HTTPS to that host alone, by the prefix that browsers enforce (<c>__Host-</c>, RFC 6265bis section
/// 4.1.3.2). Cookies are not kept apart by port, so without HTTPS the port is part of the name. It has no expiry of its own: it is valid as long as the token is.
/// </summary>
internal sealed class SessionCookie(ClusterName cluster)
{
    private const string HostPrefix = "__Host-";
    private const string Mark = "plane-session";

    private readonly bool _isSecure = cluster.Scheme == "https";

    public string Name { get; } = cluster.Scheme == "https" ? HostPrefix + Mark : $"{Mark}-{cluster.Port}";

    /// <summary>Whether it is a name that a proxy of this or of another cluster gives: no backend reads or sets such a cookie.</summary>
    public static bool IsReserved(ReadOnlySpan<char> name)
    {
        var rest = name.Trim(" \t");
        return (rest.StartsWith(HostPrefix, StringComparison.OrdinalIgnoreCase) ? rest[HostPrefix.Length..] : rest).StartsWith(Mark, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Finds the cookie's value. Several cookies with different values are none: which of them the proxy has set is unknown.</summary>
    /// <param name="headers">The request's <c>Cookie</c> headers.</param>
    /// <param name="value">The value.</param>
    public bool TryFind(StringValues headers, out ReadOnlySpan<char> value)
    {
        value = default;
        var found = false;
        foreach (var header in headers)
        {
            if (header?.Contains(Name, StringComparison.Ordinal) != true)
            {
                continue;
            }

            foreach (var range in header.AsSpan().Split(';'))
            {
                var pair = header.AsSpan()[range];
                var equals = pair.IndexOf('=');
                if (equals < 0 || !pair[..equals].Trim(" \t").SequenceEqual(Name))
                {
                    continue;
                }

                var its = pair[(equals + 1)..].Trim(" \t");
                if (found && !its.SequenceEqual(value))
                {
                    value = default;
                    return false;
                }

                found = true;
                value = its;
            }
        }

        return found;
    }

    /// <summary>A <c>Cookie</c> header as the backend gets it; null where nothing is left.</summary>
    public static string? WithoutReserved(string header)
    {
        if (!header.Contains(Mark, StringComparison.OrdinalIgnoreCase))
        {
            return header;
        }

        StringBuilder? rest = null;
        foreach (var range in header.AsSpan().Split(';'))
        {
            var pair = header.AsSpan()[range].Trim(" \t");

            // A cookie without a name is sent as its value alone, which then looks like a name.
            var equals = pair.IndexOf('=');
            if (!pair.IsEmpty && !IsReserved(equals <= 0 ? pair.TrimStart('=') : pair[..equals]))
            {
                rest ??= new StringBuilder(header.Length);
                rest.Append(rest.Length == 0 ? "" : "; ").Append(pair);
            }
        }

        return rest?.ToString();
    }

    /// <summary>Sets it.</summary>
    /// <param name="response">The answer.</param>
    /// <param name="token">The token: of a connection, or one that is signed. Neither has characters that a cookie can't hold.</param>
    /// <param name="embedded">Whether pages of other sites may show the session.</param>
    /// <param name="life">How long the browser keeps it; without it, until it is closed.</param>
    public void Set(HttpResponse response, string token, bool embedded, TimeSpan? life = null)
    {
        var age = life is { } time ? string.Create(CultureInfo.InvariantCulture, $"; Max-Age={(long)Math.Ceiling(time.TotalSeconds)}") : "";
        response.Headers.Append(
            "Set-Cookie",
            embedded ? $"{Name}={token}; Path=/{age}; HttpOnly; Secure; SameSite=None; Partitioned"
                : _isSecure ? $"{Name}={token}; Path=/{age}; HttpOnly; Secure; SameSite=Lax"
                : $"{Name}={token}; Path=/{age}; HttpOnly; SameSite=Lax");
    }
}
