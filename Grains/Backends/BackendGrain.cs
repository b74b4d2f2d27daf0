using Orleans;
using Orleans.Concurrency;
using Plane.Grains.Feed;
using Plane.Grains.Metrics;
using Plane.Storage;

namespace Plane.Grains.Backends;

/// <summary>
/// One backend, for cluster clients. Every member is one statement of the store; its states come from its drone (<see cref="StateWriter"/>). Keeps nothing: the silo that is asked
/// answers.
/// </summary>
[StatelessWorker(1)]
internal sealed class BackendGrain(
    IBackendStore backends, IKeyStore keys, IRouteStore routes, HistoryReader histories, ChangeFeed feed, ControllerMetrics metrics, TimeProvider time) : Grain, IBackendGrain
{
    private BackendName _backend;

    private BackendName Backend => _backend != default ? _backend : throw this.KeyRefused(BackendName.Rule);

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _backend = BackendName.TryParse(this.GetPrimaryKeyString(), out var backend) ? backend : default;
        return Task.CompletedTask;
    }

    public Task<BackendDetails?> Describe(CancellationToken cancellationToken) => backends.ReadBackendAsync(Backend, cancellationToken).OrAskAgain();

    public async Task<StatusPage> ReadStatus(BackendStatus? after, TimeSpan wait, CancellationToken cancellationToken)
    {
        var backend = Backend;
        InvalidCallException.ThrowIf(FieldError.From("after", NameRules.EnumProblem(after)));
        var begun = time.GetTimestamp();
        using var waiting = metrics.Waiting("status");

        // (1) to (4) of the feed's rule.
        using var subscription = feed.Subscribe(Topic.Backend(backend));
        while (true)
        {
            if (await histories.ReadAsync(backend, cancellationToken).OrAskAgain() is not { } history)
            {
                return new StatusPage { Exists = false };
            }

            var entries = history.After(after);

            // After the last state nothing comes: no reason to wait.
            if (entries.Count > 0
                || after == BackendStatus.Terminated
                || !await subscription.WaitAsync(time.Left(begun, Waits.Bounded(wait)), cancellationToken))
            {
                return new StatusPage { Exists = true, Entries = [.. entries] };
            }
        }
    }

    public Task<ChangeOutcome> Terminate(TerminationKind kind, ClusterName? cluster, CancellationToken cancellationToken)
    {
        InvalidCallException.ThrowIf(
            FieldError.From("kind", NameRules.EnumProblem<TerminationKind>(kind)) ?? FieldError.From("cluster", NameRules.NameProblem(cluster)));
        return backends.TerminateAsync(Backend, cluster, kind, TerminationReason.External, cancellationToken).OrAskAgain();
    }

    public Task<ChangeOutcome> PreventRenewal(CancellationToken cancellationToken) =>
        keys.PreventRenewalAsync(Backend, cancellationToken).OrAskAgain();

    public Task<ChangeOutcome> Revoke(RevokeScope scope, CancellationToken cancellationToken)
    {
        InvalidCallException.ThrowIf(scope is null ? new FieldError("scope", "must be given") : scope.Validate());
        return routes.RevokeAsync(Backend, scope!, cancellationToken).OrAskAgain();
    }
}
