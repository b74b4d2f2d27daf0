using System.Text;
using Microsoft.AspNetCore.Http;
using Plane.Proxy.Controller;
using Plane.Proxy.Forwarding;

namespace Plane.Proxy.Answers;

/// <summary><c>/ready</c>, on every host name: load balancers ask by address.</summary>
internal static class Readiness
{
    public const string Path = "/ready";

    public static async Task WriteAsync(HttpContext context, ControllerContact contact)
    {
        var problem = contact.NotReadyBecause();
        var response = context.Response;
        response.StatusCode = problem is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        response.Headers.Server = ResponseHeaders.Server;
        response.Headers.CacheControl = "no-store";
        response.Headers.ContentType = "application/json";
        var body = Encoding.UTF8.GetBytes(problem is null ? """{"status":"ok"}""" : $$"""{"status":"unavailable","message":"{{problem}}"}""");
        response.Headers.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(body, context.RequestAborted);
        }
    }
}
