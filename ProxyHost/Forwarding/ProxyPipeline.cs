using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Plane.Proxy.Answers;
using Plane.Proxy.Connections;
using Plane.Proxy.Routes;
using Plane.Proxy.Tls;
using Yarp.ReverseProxy.Forwarder;

namespace Plane.Proxy.Forwarding;

/// <summary>
/// What happens to a request:
/// <list type="number">
/// <item>its target is taken as it was received;</item>
/// <item>its host must be the cluster's;</item>
/// <item>its token leads to a route, from the cache or from the controller, however long the backend takes to start;</item>
/// <item>the route's subdomain must be the host's; a browser that left out the slash behind the token is sent there;</item>
/// <item>it is registered, so that it counts as use and can be cut, and only then is its route checked against the changes seen meanwhile;</item>
/// <item>it is forwarded, once: a second attempt follows only a refused connection, over which nothing was sent, and only to a route that has changed.</item>
/// </list>
/// </summary>
internal sealed partial class ProxyPipeline(
    ProxyOptions options,
    RouteTable routes,
    RouteCache cache,
    RouteResolver resolver,
    OpenExchanges open,
    BackendHttp backends,
    ProxyStatus status,
    ErrorAnswers errors,
    ProxyMetrics metrics,
    TimeProvider time,
    ILogger<ProxyPipeline> logger,
    HttpsRedirect? redirect = null)
{
    // How long a request whose backend refused it waits for the controller's word on where the backend is now.
    private static readonly TimeSpan s_freshRoute = TimeSpan.FromSeconds(3);

    // A route that is overtaken between look-up and registration is looked up again; each time takes another change of the same backend or token.
    private const int LookUps = 4;

    private readonly HostRule _hosts = new(ClusterName.Parse(options.Cluster));
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

        var segment = RequestTarget.FirstSegment(target);
        if (segment.Length == Readiness.Path.Length - 1 && RequestTarget.Path(target) == Readiness.Path)
        {
            return Readiness.WriteAsync(context, status.NotReadyBecause);
        }

        if (redirect is not null)
        {
            if (!context.Request.IsHttps)
            {
                return redirect.WriteAsync(context);
            }

            if (_hsts is not null)
            {
                context.Response.OnStarting(static state =>
                {
                    var (response, policy) = ((HttpResponse, string))state;
                    response.Headers.StrictTransportSecurity = policy;
                    return Task.CompletedTask;
                }, (context.Response, _hsts));
            }
        }

        if (FramingRule.Refusal(context.Request) is { } refusal)
        {
            context.Response.OnStarting(static state => FramingRule.CloseAsync((HttpResponse)state), context.Response);
            return errors.WriteAsync(context, ProxyError.InvalidRequest, status: refusal);
        }

        // An echo of the request as the backend got it would show its sender what was added for the backend alone: the verified secret (RFC 9110 section 9.3.8).
        if (HttpMethods.IsTrace(context.Request.Method))
        {
            return errors.WriteAsync(context, ProxyError.InvalidRequest, status: StatusCodes.Status501NotImplemented);
        }

        // 2.
        var host = context.Request.Headers.Host.ToString();
        if (!_hosts.Matches(host, out var subdomain))
        {
            return errors.WriteAsync(context, ProxyError.Forbidden);
        }

        if (RequestTarget.Path(target) == "/")
        {
            return RootAsync(context);
        }

        // 3.
        if (routes.TryGet(segment, out var entry))
        {
            // 4.
            return HostRule.Admits(entry.Route.Subdomain, subdomain)
                ? ForwardAsync(context, entry, target, subdomain.IsEmpty ? "" : subdomain.ToString())
                : errors.WriteAsync(context, ProxyError.Forbidden, entry.Backend);
        }

        // What has no token's length is not even made a string of.
        return segment.Length is BearerToken.RandomLength or BearerToken.RandomLength + 2 && BearerToken.TryParse(segment.ToString(), out var token)
            ? LookUpAndForwardAsync(context, token, target, subdomain.IsEmpty ? "" : subdomain.ToString())
            : errors.WriteAsync(context, ProxyError.Gone);
    }

    private Task RootAsync(HttpContext context)
    {
        if (options.RootRedirectUrl is null)
        {
            return errors.WriteAsync(context, ProxyError.NoToken);
        }

        context.Response.StatusCode = StatusCodes.Status301MovedPermanently;
        context.Response.Headers.Location = options.RootRedirectUrl;
        context.Response.Headers.Server = ResponseHeaders.Server;
        return Task.CompletedTask;
    }

    private async Task LookUpAndForwardAsync(HttpContext context, BearerToken token, string target, string subdomain)
    {
        using var limit = new CancellationTokenSource(options.ResponseTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, context.RequestAborted);
        Resolution resolution;
        try
        {
            resolution = await resolver.ResolveAsync(token, fresh: false, either.Token);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            await errors.WriteAsync(context, ProxyError.BackendTimeout);
            return;
        }

        if (resolution.Entry is not { } entry)
        {
            await errors.WriteAsync(context, ErrorOf(resolution, ProxyError.Unavailable));
        }
        else if (!HostRule.Admits(entry.Route.Subdomain, subdomain))
        {
            await errors.WriteAsync(context, ProxyError.Forbidden, entry.Backend);
        }
        else
        {
            await ForwardAsync(context, entry, target, subdomain);
        }
    }

    private async Task ForwardAsync(HttpContext context, RouteEntry entry, string target, string subdomain)
    {
        if (PageRedirect.LocationOf(context, entry, target) is { } location)
        {
            PageRedirect.Write(context, location);
            return;
        }

        UpgradeRule.Apply(context);
        var lookUps = 0;
        RouteEntry? refused = null;
        while (true)
        {
            using var exchange = new Exchange(context, entry, target, options, time);
            var error = ForwarderError.None;
            var overtaken = false;

            // 5.
            open.Begin(exchange);
            try
            {
                overtaken = entry.IsDetached && cache.IsOvertaken(entry);
                if (!overtaken)
                {
                    // 6.
                    error = await backends.Forwarder.SendAsync(
                        context, entry.Prefix, backends.Invoker, BackendHttp.Config, exchange, exchange.Deadline);
                }
            }
            finally
            {
                open.End(exchange);
            }

            if (overtaken)
            {
                if (++lookUps == LookUps)
                {
                    await errors.WriteAsync(context, ProxyError.Unavailable, entry.Backend);
                    return;
                }

                var again = await resolver.ResolveAsync(entry.Token, fresh: true, context.RequestAborted);
                if (!await IsUsableAsync(context, again, subdomain, ProxyError.Unavailable, entry.Backend))
                {
                    return;
                }

                entry = again.Entry!;
                continue;
            }

            if (exchange.IsMalformed)
            {
                await errors.WriteAsync(context, ProxyError.InvalidRequest, entry.Backend);
                return;
            }

            if (error == ForwarderError.None || context.RequestAborted.IsCancellationRequested || context.Response.HasStarted)
            {
                return;
            }

            var unreachable = BackendConnectException.In(context.GetForwarderErrorFeature()?.Exception);
            if (unreachable is { IsSlow: false } && refused is null)
            {
                refused = entry;
                var fresh = await ResolveFreshAsync(entry.Token, context.RequestAborted);
                if (!await IsUsableAsync(context, fresh, subdomain, ProxyError.BackendUnreachable, entry.Backend))
                {
                    return;
                }

                if (!fresh.Entry!.LeadsLike(refused))
                {
                    entry = fresh.Entry;
                    context.Response.StatusCode = StatusCodes.Status200OK;
                    continue;
                }
            }

            LogForwardFailed(error, entry.Backend, Reason(context));
            await (error switch
            {
                _ when exchange.IsLate || unreachable is { IsSlow: true } => errors.WriteAsync(context, ProxyError.BackendTimeout, entry.Backend),
                ForwarderError.RequestBodyClient => errors.WriteAsync(context, ProxyError.InvalidRequest, entry.Backend, context.Response.StatusCode),
                _ => errors.WriteAsync(context, ProxyError.BackendUnreachable, entry.Backend),
            });
            return;
        }
    }

    private static ProxyError ErrorOf(Resolution resolution, ProxyError unavailable) => resolution.Outcome switch
    {
        ResolutionOutcome.Gone => ProxyError.Gone,
        ResolutionOutcome.NeverReady => ProxyError.NeverReady(resolution.Reason),
        _ => unavailable,
    };

    private async Task<bool> IsUsableAsync(HttpContext context, Resolution resolution, string subdomain, ProxyError unavailable, string backend)
    {
        var error = resolution switch
        {
            { Entry: { } entry } => HostRule.Admits(entry.Route.Subdomain, subdomain) ? null : ProxyError.Forbidden,
            _ => ErrorOf(resolution, unavailable),
        };
        if (error is null)
        {
            return true;
        }

        await errors.WriteAsync(context, error, backend);
        return false;
    }

    private async Task<Resolution> ResolveFreshAsync(BearerToken token, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(s_freshRoute, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return await resolver.ResolveAsync(token, fresh: true, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Resolution.Unavailable;
        }
    }

    // The message alone: it names addresses and errors of sockets, never the request's URL.
    private static string Reason(HttpContext context)
    {
        var exception = context.GetForwarderErrorFeature()?.Exception;
        return exception?.InnerException?.Message ?? exception?.Message ?? "";
    }

    [LoggerMessage(6550, LogLevel.Error, "A request failed unexpectedly")]
    private partial void LogUnexpected(Exception exception);

    [LoggerMessage(6551, LogLevel.Information, "Forwarding to backend {Backend} failed: {Error}, {Reason}")]
    private partial void LogForwardFailed(ForwarderError error, string backend, string reason);
}
