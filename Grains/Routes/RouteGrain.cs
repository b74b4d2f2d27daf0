using Orleans;
using Orleans.Concurrency;
using Plane.Grains.Feed;
using Plane.Grains.Metrics;
using Plane.Storage;

namespace Plane.Grains.Routes;

/// <summary>
/// Says where tokens lead. Keeps nothing: a route holds secrets, and the proxies cache it under rules that need the position of a read of its own
/// (<see cref="RouteReply.ReadAt"/>). So any silo that a proxy reaches answers for every token, whatever has become of the others.
/// </summary>
[StatelessWorker(1)]
internal sealed class RouteGrain(IRouteStore store, IStore database, ChangeFeed feed, ControllerMetrics metrics, TimeProvider time) : Grain, IRouteGrain
{
    public Task Ping(CancellationToken cancellationToken) => database.EnsureAnswers();

    public async Task<RouteReply> Resolve(BearerToken token, TimeSpan wait, CancellationToken cancellationToken)
    {
        if (!GrainKeys.IsRoute(this.GetPrimaryKeyString()))
        {
            throw this.KeyRefused("it must be r and a number");
        }

        InvalidCallException.ThrowIf(FieldError.From("token", NameRules.NameProblem(token)));
        var begun = time.GetTimestamp();
        var hash = token.Hash();
        var reply = await store.ResolveAsync(hash, cancellationToken).TranslateStoreFailures();
        if (reply is not { Outcome: RouteOutcome.Starting, Backend: { } backend } || wait <= TimeSpan.Zero)
        {
            return reply;
        }

        using var waiting = metrics.Waiting("resolve");

        // The first read told which backend to wait for. The feed's rule (subscribe, then read) begins now, so it is read again.
        using var subscription = feed.Subscribe(Topic.Settled(backend.Backend));
        do
        {
            reply = await store.ResolveAsync(hash, cancellationToken).TranslateStoreFailures();
        }
        while (reply.Outcome == RouteOutcome.Starting
            && await subscription.WaitAsync(time.Left(begun, LongPoll.Bounded(wait)), cancellationToken));

        return reply;
    }
}
