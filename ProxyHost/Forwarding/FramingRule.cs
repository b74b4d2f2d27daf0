using Microsoft.AspNetCore.Http;

namespace Plane.ProxyHost.Forwarding;

/// <summary>
/// Which requests have a body that two parsers could see end in two places (RFC 9112 section 6). Of what the server itself does not refuse: a length is told by
/// <see cref="StrictLength"/>, the rest here.
/// </summary>
internal static class FramingRule
{
    // Where a request has both, the server puts the length aside under this name.
    private const string LengthBesideChunks = "X-Content-Length";

    /// <summary>The status that the request is refused with, or null.</summary>
    public static int? Refusal(HttpRequest request)
    {
        var coding = request.Headers.TransferEncoding;
        if (coding.Count == 0)
        {
            return null;
        }

        // The server undoes chunks and nothing else: what was also compressed on this hop would reach the backend as if it weren't (section 6.1).
        if (!string.Equals(coding.ToString(), "chunked", StringComparison.OrdinalIgnoreCase))
        {
            return StatusCodes.Status501NotImplemented;
        }

        // HTTP/1.0 knows no chunks: a server before this one may have taken them for the body.
        return request.Headers.ContainsKey(LengthBesideChunks) || request.ContentLength is not null || request.Protocol == "HTTP/1.0"
            ? StatusCodes.Status400BadRequest
            : null;
    }

    /// <summary>What follows such a request may be a part of it.</summary>
    public static Task CloseAsync(HttpResponse response)
    {
        response.Headers.Connection = "close";
        return Task.CompletedTask;
    }
}
