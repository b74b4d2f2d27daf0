using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Plane.ProxyHost.Answers;
using Plane.ProxyHost.Connections;
using Plane.ProxyHost.Routes;
using Plane.ProxyHost.Services;
using Plane.ProxyHost.Sessions;
using Plane.ProxyHost.Tls;

namespace Plane.ProxyHost.Forwarding;

/// <summary>
/// What happens to a request:
/// <list type="number">
/// <item>its target is taken as it was received;</item>
/// <item>its host must be the cluster's; a service's host goes its own way to a route (ProxyPipeline.Services.cs);</item>
/// <item>its token, of the path or else of the session's cookie, leads to a route, from the cache or from the controller, however long the backend takes to start;</item>
/// <item>the route's subdomain must be the host's; a request by cookie must come from the session's own pages; a browser that left out the slash behind the token is sent there;</item>
/// <item>it is registered, so that it counts as use and can be cut, and only then is its route checked against the changes seen meanwhile;</item>
/// <item>it is forwarded, once (ProxyPipeline.Forward.cs): a second attempt follows only a refused connection, over which nothing was sent, and only to a route that has changed; or a connection that was reset, so that the backend
/// has not read the request, where a repetition is safe by its method.</item>
/// </list>
/// </summary>
internal sealed partial class ProxyPipeline(
    ProxyOptions options,
    RouteTable routes,
    RouteCache cache,
    RouteFinder finder,
    RouteResolver resolver,
    SessionEntry sessions,
    SessionCookie cookie,
    SessionAccess access,
    ServiceDirectory services,
    ServiceRoutes serviceHosts,
    ServiceGate gate,
    ServiceWaker waker,
    OpenExchanges open,
    BackendHttp backends,
    ProxyStatus status,
    ErrorResponses errors,
    ProxyMetrics metrics,
    TimeProvider time,
    ILogger<ProxyPipeline> logger,
    HttpsRedirect? redirect = null)
{
    private readonly HostMatcher _hosts = new(ClusterName.Parse(options.Cluster));
    private readonly string? _hsts = options.Hsts is { } hsts
        ? $"max-age={(long)hsts.TotalSeconds}{(options.HstsSubdomains ? "; includeSubDomains" : "")}"
        : null;

    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await RouteAsync(context);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client left while its backend was starting.
        }
        catch (Exception e) when (e is not BadHttpRequestException)
        {
            LogUnexpected(e);
            if (context.Response.HasStarted)
            {
                context.Abort();
            }
            else
            {
                await errors.WriteAsync(context, ProxyError.Other);
            }
        }

        if (context.RequestAborted.IsCancellationRequested)
        {
            metrics.RequestAborted();
        }
        else
        {
            metrics.RequestEnded(context.Response.StatusCode);
        }
    }

    private Task RouteAsync(HttpContext context)
    {
        // Before any answer, which another parser could see end elsewhere.
        if (FramingRule.Refusal(context.Request) is { } refusal)
        {
            context.Response.OnStarting(static state => FramingRule.CloseAsync((HttpResponse)state), context.Response);
            return errors.WriteAsync(context, ProxyError.InvalidRequest, status: refusal);
        }

        // Before the target, which has a form of its own: no tunnel leads through here, and none but a WebSocket's does over HTTP/2 (RFC 8441).
        if (HttpMethods.IsConnect(context.Request.Method) && !UpgradeRule.IsUpgrade(context))
        {
            return errors.WriteAsync(context, ProxyError.InvalidRequest, status: StatusCodes.Status501NotImplemented);
        }

        // 1.
        var target = RequestTarget.OriginForm(context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget);
        if (target is null)
        {
            return errors.WriteAsync(context, ProxyError.InvalidRequest);
        }

        // A health check names an address or the cluster as the host. The paths of a session's or a service's host are the application's.
        var isOfCluster = _hosts.Matches(context.Request.Headers.Host.ToString(), out var subdomain);
        var isPlain = redirect is not null && !context.Request.IsHttps;
        if ((isPlain || !isOfCluster || subdomain.IsEmpty) && target.StartsWith(Readiness.Path, StringComparison.Ordinal) && RequestTarget.Path(target) == Readiness.Path)
        {
            return Readiness.WriteAsync(context, status.NotReadyBecause);
        }

        if (isPlain)
        {
            return redirect!.WriteAsync(context);
        }

        DemandHttps(context.Response);

        // An echo of the request as the backend got it would show its sender what was added for the backend alone: the verified secret (RFC 9110 section 9.3.8).
        if (HttpMethods.IsTrace(context.Request.Method))
        {
            return errors.WriteAsync(context, ProxyError.InvalidRequest, status: StatusCodes.Status501NotImplemented);
        }

        // 2.
        if (!isOfCluster)
        {
            return errors.WriteAsync(context, ProxyError.Forbidden);
        }

        if (ServiceRoutes.MayBe(subdomain) && (serviceHosts.TryGet(subdomain, out var route) || (route = ServiceRoutes.Read(subdomain.ToString())) is not null))
        {
            return ServeServiceAsync(context, target, route);
        }

        return SessionAsync(context, target, subdomain);
    }

    private void DemandHttps(HttpResponse response)
    {
        if (redirect is null || _hsts is null)
        {
            return;
        }

        response.OnStarting(static state =>
        {
            var (response, policy) = ((HttpResponse, string))state;
            response.Headers.StrictTransportSecurity = policy;
            return Task.CompletedTask;
        }, (response, _hsts));
    }

    /// <summary>A request to a host that is not a service's.</summary>
    private Task SessionAsync(HttpContext context, string target, ReadOnlySpan<char> subdomain)
    {
        var segment = RequestTarget.FirstSegment(target);
        if (segment.SequenceEqual(SessionEntry.Segment))
        {
            return sessions.AnswerAsync(context, target, subdomain.ToString());
        }

        // 3.
        if (routes.TryGet(segment, out var entry))
        {
            return ForwardAsync(context, entry, new Asked(target, subdomain.IsEmpty ? "" : subdomain.ToString(), ByCookie: false));
        }

        // What has no token's length is not even made a string of.
        if (segment.Length is BearerToken.RandomLength or BearerToken.RandomLength + 2 && BearerToken.TryParse(segment.ToString(), out var token))
        {
            return LookUpAndForwardAsync(context, token, new Asked(target, subdomain.IsEmpty ? "" : subdomain.ToString(), ByCookie: false));
        }

        return subdomain.IsEmpty ? WithoutTokenAsync(context, target, ProxyError.NotFound) : ByCookieAsync(context, target, subdomain, ProxyError.NoSession);
    }

    /// <summary>A request on a session's host whose path has no token, or one that leads nowhere: applications have paths that look like one.</summary>
    private Task ByCookieAsync(HttpContext context, string target, ReadOnlySpan<char> subdomain, ProxyError otherwise)
    {
        // It carries no cookie, and a request without one reaches no session: what may follow is one with credentials, or nothing.
        if (Preflight.Is(context.Request))
        {
            if (!access.AllowsPreflight(subdomain.ToString(), context.Request.Headers.Origin.ToString()))
            {
                return errors.WriteAsync(context, ProxyError.ForeignOrigin);
            }

            Preflight.Answer(context, withCredentials: true);
            return Task.CompletedTask;
        }

        if (!cookie.TryFind(context.Request.Headers.Cookie, out var value))
        {
            return WithoutTokenAsync(context, target, otherwise);
        }

        var asked = new Asked(target, subdomain.ToString(), ByCookie: true);
        return routes.TryGet(value, out var entry) ? ForwardAsync(context, entry, asked)
            : value.Length == BearerToken.RandomLength && BearerToken.TryParse(value.ToString(), out var token) ? LookUpAndForwardAsync(context, token, asked)
            : errors.WriteAsync(context, ProxyError.SessionEnded);
    }

    private Task WithoutTokenAsync(HttpContext context, string target, ProxyError error)
    {
        var path = RequestTarget.Path(target);
        if (path != "/")
        {
            return errors.WriteAsync(context, error, quiet: IsAskedByBrowsers(path));
        }

        if (options.RootRedirectUrl is null)
        {
            return errors.WriteAsync(context, error == ProxyError.NotFound ? ProxyError.NoToken : error);
        }

        context.Response.StatusCode = StatusCodes.Status301MovedPermanently;
        context.Response.Headers.Location = options.RootRedirectUrl;

        // A browser keeps a 301 for ever: the session that is opened next has the same "/".
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.Server = ResponseHeaders.Server;
        return Task.CompletedTask;
    }

    // What browsers and crawlers ask each host for, whatever it serves.
    private static bool IsAskedByBrowsers(string path) =>
        path is "/favicon.ico" or "/robots.txt"
        || path.StartsWith("/apple-touch-icon", StringComparison.Ordinal)
        || path.StartsWith("/.well-known/", StringComparison.Ordinal);

    private async Task LookUpAndForwardAsync(HttpContext context, BearerToken token, Asked asked)
    {
        var resolution = await finder.FindAsync(token, context.RequestAborted);
        if (resolution.Entry is { } entry)
        {
            await ForwardAsync(context, entry, asked);
        }
        else if (resolution.Outcome == ResolutionOutcome.Gone && !asked.ByCookie && asked.Subdomain.Length > 0)
        {
            await ByCookieAsync(context, asked.Target, asked.Subdomain, ProxyError.Gone);
        }
        else
        {
            await errors.WriteAsync(context, ErrorOf(resolution, asked, ProxyError.Unavailable));
        }
    }

    [LoggerMessage(EventIds.ProxyPipelineUnexpected, LogLevel.Error, "A request failed unexpectedly")]
    private partial void LogUnexpected(Exception exception);
}
