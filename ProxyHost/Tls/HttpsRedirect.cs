using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Plane.ProxyHost.Answers;
using Plane.ProxyHost.Forwarding;

namespace Plane.ProxyHost.Tls;

/// <summary>
/// What the plain port answers: 301 to the same host, path and query over HTTPS. Only hosts of the cluster: a redirect to whatever the <c>Host</c> header says
/// would serve other people's links.
/// </summary>
internal sealed class HttpsRedirect(ProxyOptions options, ErrorResponses errors)
{
    private readonly HostMatcher _hosts = new(ClusterName.Parse(options.Cluster));

    public Task WriteAsync(HttpContext context)
    {
        var target = RequestTarget.OriginForm(context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget);
        if (target is null)
        {
            return errors.WriteAsync(context, ProxyError.InvalidRequest);
        }

        var host = WithoutPort(context.Request.Headers.Host.ToString());
        if (!_hosts.Matches(host, out _))
        {
            return errors.WriteAsync(context, ProxyError.Forbidden);
        }

        var response = context.Response;
        response.StatusCode = StatusCodes.Status301MovedPermanently;
        response.Headers.Location = $"https://{host}{target}";
        response.Headers.Server = ResponseHeaders.Server;
        response.Headers.ContentLength = 0;
        return Task.CompletedTask;
    }

    // The plain port's own number says nothing about the port of HTTPS, which is 443 for clients outside.
    private static string WithoutPort(string host)
    {
        var colon = host.LastIndexOf(':');
        return colon > 0 && host.AsSpan(colon + 1).IndexOfAnyExceptInRange('0', '9') < 0 ? host[..colon] : host;
    }
}
