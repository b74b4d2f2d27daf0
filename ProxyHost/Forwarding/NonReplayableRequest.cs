using System.Text;

namespace Plane.ProxyHost.Forwarding;

/// <summary>
/// Keeps the handler from repeating a request. It does so, up to three times and whatever the method, when a connection ends before the first byte of a
/// response and no body was begun, and has no switch for it; but the backend may have acted on the request, and may have died of it.
/// </summary>
internal static class NonReplayableRequest
{
    /// <summary>The header that each request is made to begin with.</summary>
    public const string FirstHeader = "Host";

    /// <summary>
    /// Asked by the handler for each header that it writes: sees the first one of each attempt, before anything of it has left. The mark is a version policy
    /// that nothing here asks for and that means nothing for a request that already has its connection; it costs no allocation.
    /// </summary>
    /// <exception cref="HttpRequestException">The head of this request was already written once.</exception>
    public static Encoding EncodingOf(string name, HttpRequestMessage request)
    {
        if (name == FirstHeader)
        {
            if (request.VersionPolicy == HttpVersionPolicy.RequestVersionOrHigher)
            {
                throw new HttpRequestException("the backend ended the connection without an answer");
            }

            request.VersionPolicy = HttpVersionPolicy.RequestVersionOrHigher;
        }

        // Header values are bytes to a proxy: Latin-1 on all four sides (see ProxyRole) brings each through as it came.
        return Encoding.Latin1;
    }
}
