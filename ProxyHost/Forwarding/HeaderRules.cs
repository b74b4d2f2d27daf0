using System.Buffers;
using System.Collections.Frozen;
using Microsoft.Extensions.Primitives;

namespace Plane.ProxyHost.Forwarding;

/// <summary>Which headers are passed on.</summary>
internal static class HeaderRules
{
    private const string Verified = "verified";
    private const string Forwarded = "forwarded";

    // RFC 9110 section 7.6.1, and the older ones that servers still act on. Upgrade is restored for a WebSocket alone: a tunnel to h2c would let a client
    // send the backend whatever headers it likes.
    private static readonly FrozenSet<string> s_hop = new[]
    {
        "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization", "TE", "Trailer",
        "Transfer-Encoding", "Upgrade", "HTTP2-Settings",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    // Of responses also what speaks for the whole origin, which is the cluster's and not one backend's, and outlives the page: other places to look for it
    // (Alt-Svc, RFC 7838), reports of every URL in it (NEL), by which one backend would read the tokens of all sessions that its user opens in this browser later, the order to
    // forget what the browser keeps (Clear-Site-Data), which for cookies reaches over all hosts of the cluster, and the demand of HTTPS (Strict-Transport-Security), for years and for all
    // hosts below: that is the operator's word (--hsts).
    private static readonly FrozenSet<string> s_fromResponse =
        s_hop.Concat(["Alt-Svc", "NEL", "Clear-Site-Data", "Strict-Transport-Security"]).ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    // What a Connection header may name without its being dropped: a client must not be able to take away what frames or addresses the message.
    private static readonly FrozenSet<string> s_endToEnd =
        new[] { "Host", "Content-Length", "Content-Type", "Cookie", "Authorization" }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    // What frames or addresses a message, or is dropped: no other spelling of it is passed on either.
    private static readonly FrozenSet<string> s_unmistakable = s_hop.Concat(["Host", "Content-Length"]).ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private const string Plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";
    private static readonly SearchValues<char> s_plain = SearchValues.Create(Plain);

    // RFC 9110 section 5.6.2. A name that holds anything else is not dropped: its request is refused.
    private static readonly SearchValues<char> s_token = SearchValues.Create(Plain + "!#$%&'*+.^_`|~");

    /// <summary>Whether a request's header stays here, or (<c>Host</c>) was already passed on.</summary>
    /// <param name="name">The header's name.</param>
    /// <param name="connection">The request's <c>Connection</c> header.</param>
    /// <param name="anyName">Whether names with other characters than letters, digits and hyphens are passed on.</param>
    public static bool StaysFromRequest(string name, StringValues connection, bool anyName) =>
        s_hop.Contains(name)
        || (name.AsSpan().ContainsAnyExcept(s_plain) && !name.AsSpan().ContainsAnyExcept(s_token) && (!anyName || s_unmistakable.Contains(Hyphenated(name))))
        || name.Equals(NonReplayableRequest.FirstHeader, StringComparison.OrdinalIgnoreCase)
        || name[0] == ':'
        || IsOfFamily(name, Verified)
        || IsOfFamily(name, Forwarded)
        || name.Equals("Forwarded", StringComparison.OrdinalIgnoreCase)
        || (connection.Count != 0 && IsNamed(name, connection) && !s_endToEnd.Contains(name));

    /// <summary>Whether a response's header stays here.</summary>
    /// <param name="name">The header's name.</param>
    /// <param name="connection">The response's <c>Connection</c> header.</param>
    public static bool StaysFromResponse(string name, StringValues connection) =>
        s_fromResponse.Contains(name) || (connection.Count != 0 && IsNamed(name, connection) && !s_endToEnd.Contains(name));

    /// <summary>Whether it says, in any spelling, what a request was for: what the proxy alone says to a forward_auth service.</summary>
    public static bool IsOriginal(string name) => IsOfFamily(name, "original");

    /// <summary>Whether it frames or addresses a message, or waits for its body: a question about a request has neither.</summary>
    public static bool FramesMessage(string name) =>
        name.Equals("Host", StringComparison.OrdinalIgnoreCase) || name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase) || name.Equals("Expect", StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether a client takes trailers, which a gRPC backend wants to know (RFC 9110 section 10.1.4).</summary>
    public static bool TakesTrailers(StringValues te)
    {
        foreach (var line in te)
        {
            if (line?.Contains("trailers", StringComparison.OrdinalIgnoreCase) == true)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether it is one of the CORS headers.</summary>
    public static bool IsCors(string name) => name.StartsWith("access-control-", StringComparison.OrdinalIgnoreCase);

    // As gateways of the CGI kind read it.
    private static string Hyphenated(string name) => string.Create(name.Length, name, static (to, from) =>
    {
        for (var i = 0; i < to.Length; i++)
        {
            to[i] = char.IsAsciiLetterOrDigit(from[i]) ? from[i] : '-';
        }
    });

    // x-verified-… in any spelling: gateways of the CGI kind turn every character but letters and digits into one and the same, so that x_verified_username or
    // x.verified.username reaches an application as x-verified-username.
    private static bool IsOfFamily(string name, string family) =>
        name.Length > family.Length + 2
        && (name[0] is 'x' or 'X')
        && !char.IsAsciiLetterOrDigit(name[1])
        && !char.IsAsciiLetterOrDigit(name[family.Length + 2])
        && name.AsSpan(2).StartsWith(family, StringComparison.OrdinalIgnoreCase);

    // Kestrel shortens a list that holds close or keep-alive to that one word, so what such a list names besides passes: a client that names a header as its own
    // hop's and sends it anyway harms only itself.
    private static bool IsNamed(string name, StringValues connection)
    {
        foreach (var line in connection)
        {
            foreach (var range in line.AsSpan().Split(','))
            {
                if (line.AsSpan()[range].Trim(" \t").Equals(name, StringComparison.OrdinalIgnoreCase))
                {
                    return true;
                }
            }
        }

        return false;
    }
}
