namespace Plane.ProxyHost.Forwarding;

/// <summary>
/// The request's target as it was received: never decoded, never normalised, so that the backend sees exactly what the client wrote and no two parsers have a
/// say in where a path begins.
/// </summary>
internal static class RequestTarget
{
    /// <summary>The target in origin form (RFC 9112 section 3.2.1), or null where it is none that can be forwarded.</summary>
    /// <param name="raw">The target of the request line, or the <c>:path</c> of HTTP/2.</param>
    public static string? OriginForm(string raw)
    {
        // A blank or a control character would end the request line for the backend, and what isn't ASCII could be written in more than one way.
        if (raw.AsSpan().IndexOfAnyExceptInRange('!', '~') >= 0)
        {
            return null;
        }

        if (raw.StartsWith('/'))
        {
            return raw;
        }

        // Absolute form (section 3.2.2): the server has checked that its authority is that of the Host header.
        var scheme = raw.StartsWith("http://", StringComparison.OrdinalIgnoreCase) ? 7
            : raw.StartsWith("https://", StringComparison.OrdinalIgnoreCase) ? 8
            : 0;
        if (scheme == 0)
        {
            return null;
        }

        var end = raw.AsSpan(scheme).IndexOfAny('/', '?', '#');
        return end < 0 ? "/" : raw[scheme + end] == '/' ? raw[(scheme + end)..] : "/" + raw[(scheme + end)..];
    }

    /// <summary>The first segment of the path.</summary>
    public static ReadOnlySpan<char> FirstSegment(string target)
    {
        var rest = target.AsSpan(1);
        var end = rest.IndexOfAny('/', '?', '#');
        return end < 0 ? rest : rest[..end];
    }

    /// <summary>The path without the query.</summary>
    public static string Path(string target) => target.IndexOf('?', StringComparison.Ordinal) is >= 0 and var query ? target[..query] : target;

    /// <summary>The target without its first segment.</summary>
    /// <param name="target">The target.</param>
    /// <param name="length">The segment's length.</param>
    public static string WithoutFirstSegment(string target, int length)
    {
        var rest = target.AsSpan(1 + length);
        return rest.IsEmpty ? "/" : rest[0] == '/' ? rest.ToString() : string.Concat("/", rest);
    }
}
