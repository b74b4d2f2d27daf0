using Microsoft.Extensions.Logging;
using Plane.ProxyHost.Answers;
using Plane.ProxyHost.Controller;
using Plane.ProxyHost.Routes;

namespace Plane.ProxyHost.Services;

/// <summary>How the way to a service's backend ended: with a route, or with what is answered.</summary>
internal readonly record struct WakeResult(RouteEntry? Entry, ProxyError? Error = null, TimeSpan? RetryAfter = null);

/// <summary>
/// Finds the backend of a service's host, and has one started where none runs:
/// <list type="number">
/// <item>The token by which this proxy entered last leads to a route, as every token does; while the backend starts, that is waited for.</item>
/// <item>Without one, or where it leads nowhere any more (the backend has ended, its drone is lost, the token was revoked), the proxy enters again: one call to the controller for all requests
/// that wait. The controller gives a token for the live holder of the key or starts a backend, so that all proxies together start one.</item>
/// <item>A holder that is ending is waited for, as soon as it takes no more connections: its key is free when it has ended.</item>
/// <item>A backend that could not be started is an answer; the next request starts another. One that was lost while it started is not an answer.</item>
/// </list>
/// </summary>
internal sealed partial class ServiceWaker(
    ProxyOptions options, RouteFinder finder, RouteResolver resolver, IControllerCalls controller, ProxyMetrics metrics, TimeProvider time, ILogger<ServiceWaker> logger)
{
    // Backends that end one after another, each between its start and the request, are a fault of theirs.
    private const int Entries = 4;

    private static readonly TimeSpan s_answer = TimeSpan.FromSeconds(5);

    // As long as a request that its backend refused waits for the controller's word on where the backend is now.
    private static readonly TimeSpan s_freshRoute = TimeSpan.FromSeconds(3);

    private readonly ClusterName _cluster = ClusterName.Parse(options.Cluster);

    /// <summary>Finds the backend, however long it takes to start: as long as a response may take to begin.</summary>
    /// <exception cref="OperationCanceledException">The client left.</exception>
    public async Task<WakeResult> FindAsync(Visit visit, string network, CancellationToken aborted)
    {
        using var limit = new CancellationTokenSource(options.ResponseTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, aborted);
        try
        {
            return await TryFindAsync(visit, network, either.Token);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !aborted.IsCancellationRequested)
        {
            return new WakeResult(null, ProxyError.BackendTimeout);
        }
    }

    /// <summary>Finds the backend after the one that was found refused a connection, or is no longer the token's.</summary>
    /// <exception cref="OperationCanceledException">The client left.</exception>
    public async Task<WakeResult> FindAgainAsync(Visit visit, RouteEntry known, bool isRefused, ProxyError unavailable, string network, CancellationToken aborted)
    {
        using var limit = new CancellationTokenSource(s_freshRoute, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, aborted);
        Resolution resolution;
        try
        {
            resolution = await resolver.ResolveAsync(known.Token, fresh: true, either.Token);
        }
        catch (OperationCanceledException) when (!aborted.IsCancellationRequested)
        {
            return new WakeResult(null, unavailable);
        }

        switch (resolution.Outcome)
        {
            case ResolutionOutcome.Found when isRefused && resolution.Entry!.LeadsLike(known) && resolution.Entry.Route.Status >= BackendStatus.Terminating:
                visit.Route.Closed = known;
                return await FindAsync(visit, network, aborted);
            case ResolutionOutcome.Found:
                return new WakeResult(resolution.Entry);
            case ResolutionOutcome.Gone or ResolutionOutcome.NeverReady:
                if (visit.Route.Entered is { } entered && entered.Token == known.Token)
                {
                    visit.Route.Forget(entered);
                }

                return await FindAsync(visit, network, aborted);
            default:
                return new WakeResult(null, unavailable);
        }
    }

    private async Task<WakeResult> TryFindAsync(Visit visit, string network, CancellationToken cancellationToken)
    {
        var route = visit.Route;
        var ending = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1), time);
        for (var entries = 0; ;)
        {
            // 2.
            if (route.Entered is not { } entered)
            {
                if (entries == Entries)
                {
                    return new WakeResult(null, ProxyError.BackendUnreachable);
                }

                entries++;
                var outcome = await EnterAsync(visit, network, cancellationToken);
                if (outcome.Entered is null)
                {
                    return new WakeResult(null, ErrorOf(outcome), outcome.RetryAfter);
                }

                entered = outcome.Entered;
            }

            // Only now it is known which key a label leads to that is a hash.
            if (!visit.MayEnter)
            {
                return new WakeResult(null, ProxyError.TokenOfOtherKey);
            }

            // 1.
            var resolution = await finder.FindAsync(entered.Token, cancellationToken);
            switch (resolution.Outcome)
            {
                case ResolutionOutcome.Found when route.Closed is { } closed && resolution.Entry!.LeadsLike(closed):
                    // 3.
                    await ending.WaitAsync(cancellationToken);
                    continue;
                case ResolutionOutcome.Found:
                    return new WakeResult(resolution.Entry);
                case ResolutionOutcome.Gone:
                case ResolutionOutcome.NeverReady when resolution.Reason is TerminationReason.Lost or TerminationReason.KeyExpired or TerminationReason.External or TerminationReason.Swept:
                    route.Forget(entered);
                    break;
                case ResolutionOutcome.NeverReady:
                    // 4.
                    route.Forget(entered);
                    return new WakeResult(null, ProxyError.NeverReady(resolution.Reason));
                default:
                    return new WakeResult(null, ProxyError.Of(resolution, ProxyError.Unavailable));
            }

            // 3.
            if (entered.IsEnding)
            {
                entries--;
                await ending.WaitAsync(cancellationToken);
            }
        }
    }

    private async Task<EntryOutcome> EnterAsync(Visit visit, string network, CancellationToken cancellationToken)
    {
        var (route, key, scope) = (visit.Route, visit.NamedKey, visit.Scope);
        EntryFlight? unlike = null;
        while (true)
        {
            EntryFlight flight;
            lock (route)
            {
                if (route.Flight is not { } running || ReferenceEquals(running, unlike) || running.Until <= time.GetTimestamp())
                {
                    // It continues without its caller: what it starts is started, and the next request finds it.
                    running = route.Flight = new EntryFlight(key, scope, network);
                    running.Task = Task.Run(() => RunAsync(route, running, key, scope, network), CancellationToken.None);
                }

                flight = running;
            }

            var outcome = await flight.Task.WaitAsync(cancellationToken);
            if (!flight.SaysNothingOf(outcome, key, scope, network))
            {
                return outcome;
            }

            unlike = flight;
        }
    }

    private async Task<EntryOutcome> RunAsync(ServiceRoute route, EntryFlight flight, KeyConfig? key, KeyScope? scope, string network)
    {
        var begun = time.GetTimestamp();
        var outcome = await AskAsync(new EnterCommand
        {
            Service = route.Service,
            Cluster = _cluster,
            Label = route.Label,
            Key = key,
            Token = BearerToken.NewRandom(),
            SecretToken = RandomText.Secret(),
            BackendId = BackendName.NewRandom(),
            ClientNetwork = network,
            Scope = scope,
        }, route);
        metrics.ServiceEntered(outcome.Kind, time.GetElapsedTime(begun));
        lock (route)
        {
            // A refusal stays for a moment, as an unknown token does: a page that repeats its request costs the controller one call in that time.
            flight.Until = time.GetTimestamp() + (long)(options.NegativeAnswer.TotalSeconds * time.TimestampFrequency);
            if (outcome.Entered is { } entered)
            {
                route.Enter(entered);
            }

            if (outcome.Kind is EntryOutcomeKind.Entered or EntryOutcomeKind.Unavailable && ReferenceEquals(route.Flight, flight))
            {
                route.Flight = null;
            }
        }

        return outcome;
    }

    // The same command each time: an answer that was lost on its way is given again.
    private async Task<EntryOutcome> AskAsync(EnterCommand command, ServiceRoute route)
    {
        var backoff = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1), time);
        var begun = time.GetTimestamp();
        for (var attempt = 0; ; attempt++)
        {
            var left = options.UnknownRouteWait - time.GetElapsedTime(begun);
            if (left <= TimeSpan.Zero)
            {
                return new EntryOutcome(EntryOutcomeKind.Unavailable);
            }

            using var limit = new CancellationTokenSource(s_answer < left ? s_answer : left, time);
            try
            {
                return OutcomeOf(await controller.EnterAsync(command, attempt, limit.Token).WaitAsync(limit.Token), command, route);
            }
            catch (Exception e)
            {
                // Whatever the failure, there was no answer; the next attempt may go another way.
                LogEnterFailed(CallFailed.Reason(e), command.Service.Value);
                await backoff.WaitAsync(CancellationToken.None);
            }
        }
    }

    private static EntryOutcome OutcomeOf(EnterReply reply, EnterCommand command, ServiceRoute route)
    {
        switch (reply)
        {
            case { Outcome: EnterOutcome.Entered, Holder: { } holder }:
                route.Key ??= reply.Key;
                return new EntryOutcome(EntryOutcomeKind.Entered, new Entered(holder.StaticToken ?? command.Token, holder.Status >= BackendStatus.Terminating));
            case { Outcome: EnterOutcome.NoSuchService }:
                return new EntryOutcome(EntryOutcomeKind.NoSuchService);
            case { Outcome: EnterOutcome.NoSuchLabel }:
                return new EntryOutcome(EntryOutcomeKind.NoSuchLabel);
            case { Outcome: EnterOutcome.OutOfScope }:
                return new EntryOutcome(EntryOutcomeKind.OutOfScope);
            default:
                return new EntryOutcome(EntryOutcomeKind.Refused, Refusal: reply.Refusal ?? ErrorKind.Other, RetryAfter: reply.RetryAfter);
        }
    }

    private static ProxyError ErrorOf(EntryOutcome outcome) => outcome.Kind switch
    {
        EntryOutcomeKind.NoSuchService or EntryOutcomeKind.NoSuchLabel => ProxyError.NoSuchSession,
        EntryOutcomeKind.OutOfScope => ProxyError.TokenOfOtherKey,
        EntryOutcomeKind.Unavailable => ProxyError.Unavailable,
        _ => outcome.Refusal switch
        {
            ErrorKind.ServiceFull => ProxyError.ServiceFull,
            ErrorKind.CrashLoop => ProxyError.CrashLoop,
            ErrorKind.WakeLimited => ProxyError.WakeLimited,
            ErrorKind.NoDroneAvailable => ProxyError.NoDroneAvailable,
            ErrorKind.DatabaseError or ErrorKind.KeysHeldOff or ErrorKind.FailedToAcquireKey => ProxyError.Unavailable,
            _ => ProxyError.NotStartable,
        },
    };

    [LoggerMessage(EventIds.ServiceEnterFailed, LogLevel.Information, "No controller let a visitor enter service {Service}: {Error}")]
    private partial void LogEnterFailed(string error, string service);
}
