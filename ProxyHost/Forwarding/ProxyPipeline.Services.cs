using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Plane.ProxyHost.Answers;
using Plane.ProxyHost.Routes;
using Plane.ProxyHost.Services;
using Plane.ProxyHost.Sessions;
using Plane.ProxyHost.Signing;

namespace Plane.ProxyHost.Forwarding;

/// <summary>
/// What happens to a request on a service's host, in place of the look for a token:
/// <list type="number">
/// <item>the service must be known; where there is none of this name, the host is like any other;</item>
/// <item>what the proxy answers itself: its own paths, preflights, the exchange of a signed token in the URL for the cookie;</item>
/// <item>the service's access lets the visitor in, or refuses: until then nothing is started (<see cref="ServiceGate"/>);</item>
/// <item>the backend of the key is found, or started and waited for (<see cref="ServiceWaker"/>); a navigation that waits gets a page that says so;</item>
/// <item>it is forwarded as every request is. For a service that changed meanwhile it begins again at 1.</item>
/// </list>
/// A token in the path says nothing here: the host is one application's, and must not show another's under its origin.
/// </summary>
internal sealed partial class ProxyPipeline
{
    // A service that changes between the visitor's admission and the request, again and again.
    private const int Admissions = 4;

    private readonly ClusterName _cluster = ClusterName.Parse(options.Cluster);

    private async Task ServeServiceAsync(HttpContext context, string target, ServiceRoute host)
    {
        for (var attempt = 0; attempt < Admissions; attempt++)
        {
            // 1. A backend may have such a name as its subdomain: a session that is known here, where no such service is, needs no controller.
            if (!services.Knows(host.Service) && IsKnownSession(context, target, host.Subdomain))
            {
                await SessionAsync(context, target, host.Subdomain);
                return;
            }

            var found = await services.FindAsync(host.Service, context.RequestAborted);
            if (found is not { Service: { } service, Policy: { } policy })
            {
                await WithoutServiceAsync(context, target, host, found.Outcome);
                return;
            }

            var route = serviceHosts.Keep(host);

            // 2.
            if (await AnswersItselfAsync(context, target, policy, route))
            {
                return;
            }

            // 3.
            var admission = await gate.AdmitAsync(context, policy, route, target);
            if (admission.Visitor is not { } visitor)
            {
                await RefuseAsync(context, admission);
                return;
            }

            // 4.
            var visit = new Visit(service, policy, route, visitor);
            if (RequestTarget.Path(target) == ServiceStatus.Path)
            {
                await WriteStatusAsync(context, visit);
                return;
            }

            var entry = route.Entered is { } entered && visit.MayEnter && routes.TryGet(entered.Token.Value, out var known) ? known : await FindAsync(context, visit);

            // 5.
            if (entry is null || await ForwardAsync(context, entry, new Asked(target, route.Subdomain, ByCookie: true, visit)))
            {
                return;
            }
        }

        await errors.WriteAsync(context, ProxyError.Unavailable);
    }

    /// <summary>A host whose name has a service's form, and there is none, or none that is known.</summary>
    private Task WithoutServiceAsync(HttpContext context, string target, ServiceRoute host, ServiceOutcome outcome) =>
        outcome == ServiceOutcome.None ? SessionAsync(context, target, host.Subdomain) : errors.WriteAsync(context, ProxyError.Unavailable);

    /// <summary>Whether the request names, in its path or by its cookie, a session of this host that is known here.</summary>
    private bool IsKnownSession(HttpContext context, string target, string subdomain) =>
        (routes.TryGet(RequestTarget.FirstSegment(target), out var entry) && HostMatcher.Admits(entry.Route.Subdomain, subdomain) && entry.Route.Subdomain is { Length: > 0 })
        || (cookie.TryFind(context.Request.Headers.Cookie, out var value) && routes.TryGet(value, out entry) && SessionAccess.Admits(entry, subdomain));

    private async Task<bool> AnswersItselfAsync(HttpContext context, string target, ServicePolicy policy, ServiceRoute route)
    {
        if (RequestTarget.FirstSegment(target).SequenceEqual(SessionEntry.Segment) && RequestTarget.Path(target) != ServiceStatus.Path)
        {
            await errors.WriteAsync(context, ProxyError.NoSuchPath);
            return true;
        }

        // It carries no cookie and no token, so it starts nothing; what may follow it is decided when that comes.
        if (Preflight.Is(context.Request))
        {
            if (access.Allows(policy.Web, context.Request.Headers.Origin.ToString()))
            {
                Preflight.Answer(context, withCredentials: true);
            }
            else
            {
                await errors.WriteAsync(context, ProxyError.ForeignOrigin);
            }

            return true;
        }

        if (policy.Access != ServiceAccessKind.Signed || !TokenQuery.IsIn(target))
        {
            return false;
        }

        if (await gate.ExchangeAsync(context, policy, route, target, _cluster) is { } error)
        {
            await errors.WriteAsync(context, error);
        }

        return true;
    }

    private Task RefuseAsync(HttpContext context, Admission admission)
    {
        if (admission.Error is { } error)
        {
            return errors.WriteAsync(context, error, prepare: headers => Copy(admission.Answer, headers));
        }

        var response = context.Response;
        response.StatusCode = admission.Answer!.Status;
        response.Headers.Server = ResponseHeaders.Server;
        response.Headers.CacheControl = "no-store";
        response.Headers.Location = admission.Answer.Location;
        Copy(admission.Answer, response.Headers);
        response.Headers.ContentLength = 0;
        return Task.CompletedTask;
    }

    private static void Copy(AuthAnswer? answer, IHeaderDictionary headers)
    {
        if (answer?.Challenge is { } challenge)
        {
            headers.WWWAuthenticate = challenge;
        }

        foreach (var cookie in answer?.Cookies ?? [])
        {
            headers.Append(HeaderNames.SetCookie, cookie);
        }
    }

    /// <summary>The backend of a visit, waited for; null where the request is answered instead.</summary>
    private Task<RouteEntry?> FindAsync(HttpContext context, Visit visit) =>
        FoundAsync(context, visit, leave => waker.FindAsync(visit, NetworkOf(context), leave));

    private async Task<RouteEntry?> FoundAsync(HttpContext context, Visit visit, Func<CancellationToken, Task<WakeResult>> find, string backend = "")
    {
        using var leave = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        var finding = find(leave.Token);
        if (StartingPage.Suits(context.Request) && !await EndsWithinAsync(finding, options.StartingPageAfter, context.RequestAborted))
        {
            // The entry itself continues; only this request's wait for it ends.
            await leave.CancelAsync();
            await ((Task)finding).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await StartingPage.WriteAsync(context, visit.Policy.Web.IsEmbeddable);
            return null;
        }

        var found = await finding;
        if (found.Entry is null)
        {
            await errors.WriteAsync(context, found.Error!, backend, retryAfter: found.RetryAfter);
        }

        return found.Entry;
    }

    /// <summary>The route now, after a change or a refused connection; null where the request is answered instead.</summary>
    private async Task<RouteEntry?> FindAgainAsync(HttpContext context, RouteEntry known, Asked asked, bool isRefused)
    {
        var unavailable = isRefused ? ProxyError.BackendUnreachable : ProxyError.Unavailable;
        if (asked.Visit is { } visit)
        {
            return await FoundAsync(context, visit, leave => waker.FindAgainAsync(visit, known, isRefused, unavailable, NetworkOf(context), leave), known.Backend);
        }

        var resolution = isRefused ? await ResolveFreshAsync(known.Token, context.RequestAborted) : await resolver.ResolveAsync(known.Token, fresh: true, context.RequestAborted);
        var error = resolution.Entry is { } entry ? Refusal(context, entry, asked) : ErrorOf(resolution, asked, unavailable);
        if (error is null)
        {
            return resolution.Entry;
        }

        await errors.WriteAsync(context, error, known.Backend);
        return null;
    }

    private async Task WriteStatusAsync(HttpContext context, Visit visit)
    {
        if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
        {
            await errors.WriteAsync(context, ProxyError.InvalidRequest);
            return;
        }

        using var leave = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        var finding = waker.FindAsync(visit, NetworkOf(context), leave.Token);
        if (!await EndsWithinAsync(finding, ServiceStatus.Wait, context.RequestAborted))
        {
            await leave.CancelAsync();
            await ((Task)finding).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await ServiceStatus.WriteAsync(context, isReady: false);
            return;
        }

        var found = await finding;
        await (found.Entry is not null ? ServiceStatus.WriteAsync(context, isReady: true) : errors.WriteAsync(context, found.Error!, retryAfter: found.RetryAfter));
    }

    private async Task<bool> EndsWithinAsync(Task task, TimeSpan limit, CancellationToken cancellationToken)
    {
        if (task.IsCompleted)
        {
            return true;
        }

        using var late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var delay = Task.Delay(limit, time, late.Token);
        var first = await Task.WhenAny(task, delay);
        await late.CancelAsync();
        cancellationToken.ThrowIfCancellationRequested();
        return first == task;
    }

    private static string NetworkOf(HttpContext context) => ClientNetwork.Of(context.Connection.RemoteIpAddress);
}
