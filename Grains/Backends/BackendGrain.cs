using Orleans;
using Orleans.Concurrency;
using Plane.Storage;

namespace Plane.Grains.Backends;

/// <summary>
/// One backend, for cluster clients. Every member is one statement of the store; its states come from its drone (<see cref="StateWriter"/>). Keeps nothing: the silo that is asked
/// answers.
/// </summary>
[StatelessWorker(1)]
internal sealed class BackendGrain(IBackendStore backends, IKeyStore keys, IRouteStore routes, StatusReader states) : Grain, IBackendGrain
{
    private BackendName _backend;

    private BackendName Backend => _backend != default ? _backend : throw this.KeyRefused(BackendName.Rule);

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _backend = BackendName.TryParse(this.GetPrimaryKeyString(), out var backend) ? backend : default;
        return Task.CompletedTask;
    }

    public Task<BackendDetails?> Describe(CancellationToken cancellationToken) => backends.ReadBackendAsync(Backend, cancellationToken).TranslateStoreFailures();

    public async Task<StatusPage> ReadStatus(BackendStatus? after, TimeSpan wait, CancellationToken cancellationToken)
    {
        var backend = Backend;
        InvalidCallException.ThrowIf(FieldError.From("after", NameRules.EnumProblem(after)));
        return await states.ReadAsync(backend, after, wait, cancellationToken).TranslateStoreFailures();
    }

    public Task<ChangeOutcome> Terminate(TerminationKind kind, ClusterName? cluster, CancellationToken cancellationToken)
    {
        InvalidCallException.ThrowIf(
            FieldError.From("kind", NameRules.EnumProblem<TerminationKind>(kind)) ?? FieldError.From("cluster", NameRules.NameProblem(cluster)));
        return backends.TerminateAsync(Backend, cluster, kind, TerminationReason.External, cancellationToken).TranslateStoreFailures();
    }

    public Task<ChangeOutcome> PreventRenewal(CancellationToken cancellationToken) =>
        keys.PreventRenewalAsync(Backend, cancellationToken).TranslateStoreFailures();

    public Task<ChangeOutcome> Revoke(RevokeScope scope, CancellationToken cancellationToken)
    {
        InvalidCallException.ThrowIf(scope is null ? new FieldError("scope", "must be given") : scope.Validate());
        return routes.RevokeAsync(Backend, scope!, cancellationToken).TranslateStoreFailures();
    }
}
