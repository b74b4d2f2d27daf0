using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Plane.ProxyHost.Answers;
using Plane.ProxyHost.Forwarding;
using Plane.ProxyHost.Routes;

namespace Plane.ProxyHost.Sessions;

/// <summary>
/// <c>/.plane/</c>, the proxy's own paths on every host. <c>/.plane/enter?token=&amp;to=</c> exchanges a token for the cookie of its session and leads to a path of the session: from then on the
/// token is in no URL. A token that does not lead to a session of this host sets nothing, so that no link takes a session away.
/// </summary>
internal sealed class SessionEntry(RouteFinder finder, SessionCookie cookie, ErrorResponses errors)
{
    /// <summary>The first segment of the proxy's own paths.</summary>
    public const string Segment = ".plane";

    private const string EnterPath = "/.plane/enter";
    private const int MaxTo = 8 * 1024;

    public async Task AnswerAsync(HttpContext context, string target, string subdomain)
    {
        var path = RequestTarget.Path(target);
        if (path != EnterPath)
        {
            await errors.WriteAsync(context, ProxyError.NoSuchPath);
            return;
        }

        if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
        {
            await errors.WriteAsync(context, ProxyError.InvalidRequest);
            return;
        }

        var query = QueryHelpers.ParseQuery(target[path.Length..]);
        if (!query.TryGetValue("token", out var tokens) || tokens is not [{ } text] || !BearerToken.TryParse(text, out var token)
            || LocationOf(query.TryGetValue("to", out var to) ? to : "/") is not { } location)
        {
            await errors.WriteAsync(context, ProxyError.InvalidRequest);
            return;
        }

        var resolution = await finder.FindAsync(token, context.RequestAborted);
        if (resolution.Entry is not { } entry)
        {
            await errors.WriteAsync(context, ProxyError.Of(resolution, ProxyError.Unavailable));
        }
        else if (!SessionAccess.Admits(entry, subdomain))
        {
            await errors.WriteAsync(context, ProxyError.Forbidden, entry.Backend);
        }
        else
        {
            cookie.Set(context.Response, token.Value, entry.Web.IsEmbeddable);
            Redirect(context.Response, location);
        }
    }

    /// <summary>
    /// A path of the same origin as a <c>Location</c>, or null where it is none: <c>//host</c> and <c>/\host</c> are other origins, and control characters are dropped by browsers before they
    /// read a URL, so that <c>/⇥/host</c> is one too.
    /// </summary>
    internal static string? LocationOf(Microsoft.Extensions.Primitives.StringValues to)
    {
        if (to is not [{ Length: > 0 and <= MaxTo } path] || path[0] != '/' || path.StartsWith("//", StringComparison.Ordinal)
            || path.Contains('\\', StringComparison.Ordinal) || path.Any(char.IsControl) || NameRules.HasUnpairedSurrogate(path))
        {
            return null;
        }

        var location = new StringBuilder(path.Length);
        foreach (var rune in path.EnumerateRunes())
        {
            _ = rune.Value is > ' ' and <= '~' ? location.Append((char)rune.Value) : location.Append(Uri.EscapeDataString(rune.ToString()));
        }

        return location.ToString();
    }

    /// <summary>Leads a browser on from a URL with a token in it, which no other page and no cache learns.</summary>
    internal static void Redirect(HttpResponse response, string location)
    {
        response.StatusCode = StatusCodes.Status303SeeOther;
        var headers = response.Headers;
        headers.Location = location;
        headers.CacheControl = "no-store";
        headers["Referrer-Policy"] = "no-referrer";
        headers.Server = ResponseHeaders.Server;
        headers.ContentLength = 0;
    }
}
