using System.Diagnostics;
using System.Net.Sockets;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Plane.ProxyHost.Answers;
using Plane.ProxyHost.Routes;
using Plane.ProxyHost.Sessions;
using Yarp.ReverseProxy.Forwarder;

namespace Plane.ProxyHost.Forwarding;

// Steps 4 to 6: a request whose route is known.
internal sealed partial class ProxyPipeline
{
    // How long a request whose backend refused it waits for the controller's word on where the backend is now.
    private static readonly TimeSpan s_freshRoute = TimeSpan.FromSeconds(3);

    // A route that is overtaken between look-up and registration is looked up again; each time takes another change of the same backend or token.
    private const int LookUps = 4;

    // 4.
    private ProxyError? Refusal(HttpContext context, RouteEntry entry, Asked asked) =>
        asked.Visit is not null ? null
        : !asked.ByCookie ? HostMatcher.Admits(entry.Route.Subdomain, asked.Subdomain) ? null : ProxyError.Forbidden
        : SessionAccess.Admits(entry, asked.Subdomain) ? access.Refusal(context, entry.Web, asked.Subdomain)
        : ProxyError.SessionEnded;

    /// <summary>Forwards a request by its route.</summary>
    /// <returns>Whether it is answered; if not, nothing was sent, and the service that it visits has changed since it was let in.</returns>
    private async Task<bool> ForwardAsync(HttpContext context, RouteEntry entry, Asked asked)
    {
        if (Refusal(context, entry, asked) is { } refusal)
        {
            await errors.WriteAsync(context, refusal, entry.Backend);
            return true;
        }

        if (PageRedirect.LocationOf(context, entry, asked) is { } location)
        {
            PageRedirect.Write(context, location);
            return true;
        }

        UpgradeRule.Apply(context);
        var (lookUps, wasRefused, isRepeated) = (0, false, false);
        while (true)
        {
            var end = await TryForwardAsync(context, entry, asked);
            if (end.IsUnread && !isRepeated)
            {
                isRepeated = true;
                context.Response.StatusCode = StatusCodes.Status200OK;
                continue;
            }

            var looksAgain = end.Kind == ForwardKind.Overtaken ? ++lookUps < LookUps : end.IsRefused && !wasRefused;
            if (!looksAgain)
            {
                await WriteFailureAsync(context, entry, end);
                return end.Kind != ForwardKind.ServiceChanged;
            }

            if (await FindAgainAsync(context, entry, asked, end.IsRefused) is not { } now)
            {
                return true;
            }

            if (end.IsRefused)
            {
                if (now.LeadsLike(entry))
                {
                    await WriteFailureAsync(context, entry, end);
                    return true;
                }

                wasRefused = true;
                context.Response.StatusCode = StatusCodes.Status200OK;
            }

            entry = now;
        }
    }

    private async Task<ForwardEnd> TryForwardAsync(HttpContext context, RouteEntry entry, Asked asked)
    {
        using var exchange = new Exchange(context, entry, asked, access, options, time);
        ForwarderError error;

        // 5.
        open.Begin(exchange);
        try
        {
            if (asked.Visit is { IsCurrent: false })
            {
                return new ForwardEnd(ForwardKind.ServiceChanged);
            }

            if (entry.IsDetached && cache.IsOvertaken(entry))
            {
                return new ForwardEnd(ForwardKind.Overtaken);
            }

            // 6.
            using var span = PlaneTrace.Source.StartActivity("forward", ActivityKind.Client)?.SetTag(PlaneTrace.BackendTag, entry.Backend);
            error = await backends.SendAsync(context, exchange);
        }
        finally
        {
            open.End(exchange);
        }

        return exchange.IsMalformed ? new ForwardEnd(ForwardKind.Malformed)
            : error == ForwarderError.None || context.RequestAborted.IsCancellationRequested || context.Response.HasStarted ? new ForwardEnd(ForwardKind.Answered)
            : new ForwardEnd(
                ForwardKind.Failed,
                error,
                BackendConnectException.In(context.GetForwarderErrorFeature()?.Exception),
                exchange.IsLate,
                error == ForwarderError.Request && IsUnread(context));
    }

    private Task WriteFailureAsync(HttpContext context, RouteEntry entry, ForwardEnd end)
    {
        switch (end.Kind)
        {
            case ForwardKind.Answered or ForwardKind.ServiceChanged:
                return Task.CompletedTask;
            case ForwardKind.Overtaken:
                return errors.WriteAsync(context, ProxyError.Unavailable, entry.Backend);
            case ForwardKind.Malformed:
                return errors.WriteAsync(context, ProxyError.InvalidRequest, entry.Backend);
        }

        LogForwardFailed(end.Error, entry.Backend, Reason(context));
        return end switch
        {
            { Unreachable.IsExhausted: true } => errors.WriteAsync(context, ProxyError.Exhausted, entry.Backend),
            { IsLate: true } or { Unreachable.IsSlow: true } => errors.WriteAsync(context, ProxyError.BackendTimeout, entry.Backend),
            { Error: ForwarderError.RequestBodyClient } => errors.WriteAsync(context, ProxyError.InvalidRequest, entry.Backend, context.Response.StatusCode),
            _ => errors.WriteAsync(context, ProxyError.BackendUnreachable, entry.Backend),
        };
    }

    /// <summary>
    /// Whether the backend has closed the connection without having read the request, which may be repeated: a system resets a connection that is closed with something unread in it. So it is where a
    /// server, idle connections of which end after some seconds, had no time to run until then.
    /// </summary>
    private static bool IsUnread(HttpContext context)
    {
        var request = context.Request;
        if ((!HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method)) || context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true })
        {
            return false;
        }

        var exception = context.GetForwarderErrorFeature()?.Exception;
        while (exception is not (null or SocketException))
        {
            exception = exception.InnerException;
        }

        return exception is SocketException { SocketErrorCode: SocketError.ConnectionReset };
    }

    private static ProxyError ErrorOf(Resolution resolution, Asked asked, ProxyError unavailable) =>
        asked.ByCookie && resolution.Outcome == ResolutionOutcome.Gone ? ProxyError.SessionEnded : ProxyError.Of(resolution, unavailable);

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

    [LoggerMessage(EventIds.ProxyPipelineForwardFailed, LogLevel.Information, "Forwarding to backend {Backend} failed: {Error}, {Reason}")]
    private partial void LogForwardFailed(ForwarderError error, string backend, string reason);
}
