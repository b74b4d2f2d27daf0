using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Plane.ProxyHost.Forwarding;

namespace Plane.ProxyHost.Services;

/// <summary><c>/.plane/status</c> on a service's host: where the session of the host is. It starts it like any request, and waits some seconds for it to be ready.</summary>
internal static class ServiceStatus
{
    public const string Path = "/.plane/status";

    /// <summary>How long a question waits: less than what comes between browser and proxy would cut.</summary>
    public static readonly TimeSpan Wait = TimeSpan.FromSeconds(10);

    /// <summary>Says that the session is ready, or that it is starting.</summary>
    public static async Task WriteAsync(HttpContext context, bool isReady)
    {
        var response = context.Response;
        response.StatusCode = StatusCodes.Status200OK;
        response.Headers.Server = ResponseHeaders.Server;
        response.Headers.CacheControl = "no-store";
        response.Headers.ContentType = "application/json";
        var body = JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, string> { ["status"] = isReady ? "ready" : "starting" });
        response.Headers.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(body, context.RequestAborted);
        }
    }
}
