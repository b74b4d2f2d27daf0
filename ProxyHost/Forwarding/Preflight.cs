using Microsoft.AspNetCore.Http;

namespace Plane.ProxyHost.Forwarding;

/// <summary>The question of a browser whether a page of another origin may send a request (Fetch standard, CORS-preflight request). It carries no cookies.</summary>
internal static class Preflight
{
    private const string SecondsToKeep = "600";

    public static bool Is(HttpRequest request) =>
        HttpMethods.IsOptions(request.Method) && request.Headers.Origin.Count == 1 && request.Headers.AccessControlRequestMethod.Count == 1;

    /// <summary>Answers that the request may be sent. Whether it is answered, and whether its page may read that, is decided when it comes.</summary>
    public static void Answer(HttpContext context, bool withCredentials)
    {
        var request = context.Request.Headers;
        var response = context.Response;
        var headers = response.Headers;
        response.StatusCode = StatusCodes.Status204NoContent;
        if (withCredentials)
        {
            ResponseHeaders.AllowOrigin(headers, request.Origin.ToString());
            headers.AccessControlAllowMethods = request.AccessControlRequestMethod;
            headers.AccessControlAllowHeaders = request.AccessControlRequestHeaders;
        }
        else
        {
            ResponseHeaders.AllowAllOrigins(headers);
        }

        headers.AccessControlMaxAge = SecondsToKeep;
        headers.Server = ResponseHeaders.Server;
    }
}
