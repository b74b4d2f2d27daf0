using Orleans;
using Plane.Grains.Feed;
using Plane.Grains.Metrics;
using Plane.Grains.Storage;

namespace Plane.Grains.Backends;

/// <summary>
/// One backend. Every member is one statement of the store; which transitions are allowed stands in <see cref="BackendTransitions"/>.
/// </summary>
internal sealed class BackendGrain(
    IPlaneStore store, StateWriter states, HistoryReader histories, ChangeFeed feed, ControllerMetrics metrics, TimeProvider time) : Grain, IBackendGrain
{
    private BackendName _backend;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _backend = BackendName.Parse(this.GetPrimaryKeyString());
        return Task.CompletedTask;
    }

    public Task<BackendDetails?> Describe(CancellationToken cancellationToken) => store.ReadBackendAsync(_backend, cancellationToken).OrAskAgain();

    public async Task<StatusPage> ReadStatus(BackendStatus? after, TimeSpan wait, CancellationToken cancellationToken)
    {
        var begun = time.GetTimestamp();
        using var waiting = metrics.Waiting("status");

        // (1) to (4) of the feed's rule.
        using var subscription = feed.Subscribe(Topic.Backend(_backend));
        while (true)
        {
            if (await histories.ReadAsync(_backend, cancellationToken).OrAskAgain() is not { } history)
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

    public Task<ChangeOutcome> Terminate(TerminationKind kind, ClusterName? cluster, CancellationToken cancellationToken) =>
        Enum.IsDefined(kind)
            ? store.TerminateAsync(_backend, cluster, kind, TerminationReason.External, cancellationToken).OrAskAgain()
            : throw new ArgumentOutOfRangeException(nameof(kind));

    public Task<ChangeOutcome> PreventRenewal(CancellationToken cancellationToken) =>
        store.PreventRenewalAsync(_backend, cancellationToken).OrAskAgain();

    public Task<ChangeOutcome> Revoke(RevokeScope scope, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(scope);
        if (scope.User is not null && NameRules.TextProblem(scope.User, 0) is { } problem)
        {
            throw new ArgumentException($"user {problem}", nameof(scope));
        }

        return store.RevokeAsync(_backend, scope, cancellationToken).OrAskAgain();
    }

    public async Task<StateAck> ApplyState(StateEvent stateEvent, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stateEvent);
        if (stateEvent.Identity.Backend != _backend)
        {
            return new StateAck { Sequence = stateEvent.Sequence, Applied = false, Refusal = "the event is another backend's" };
        }

        return (await states.ApplyAsync(null, [stateEvent], cancellationToken).OrAskAgain()).Acks[0];
    }
}
