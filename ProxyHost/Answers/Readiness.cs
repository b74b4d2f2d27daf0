using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Plane.ProxyHost.Forwarding;

namespace Plane.ProxyHost.Answers;

/// <summary><c>/ready</c>, on every host name: load balancers ask by address.</summary>
internal static class Readiness
{
    public const string Path = "/ready";

    public static async Task WriteAsync(HttpContext context, string? problem)
    {
        var response = context.Response;
        response.StatusCode = problem is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        response.Headers.Server = ResponseHeaders.Server;
        response.Headers.CacheControl = "no-store";
        response.Headers.ContentType = "application/json";
        var body = problem is null
            ? """{"status":"ok"}"""u8.ToArray()
            : JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, string> { ["status"] = "unavailable", ["message"] = problem });
        response.Headers.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(body, context.RequestAborted);
        }
    }
}
