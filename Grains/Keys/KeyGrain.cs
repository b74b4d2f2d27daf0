using Orleans;
using Orleans.Concurrency;
using Plane.Grains.Metrics;
using Plane.Grains.Storage;

namespace Plane.Grains.Keys;

/// <summary>
/// One key: connects to it, acquires it.
/// <para>
/// <b>The lease protocol.</b> At most one backend runs for a key at any time. Four parties keep that, each by its own clock:
/// </para>
/// <list type="number">
/// <item>The database holds at most one row per (namespace, name), with an expiry by its own clock and a fencing token. Whoever inserts the row has
/// acquired the key (<see cref="IPlaneStore.AcquireAsync"/>); an expired row may be deleted by the next acquirer or the lost sweep, never
/// revived.</item>
/// <item>The acquisition queues a spawn action for the drone, with deadlines counted from the drone's own last heartbeat: the reading was taken
/// before the acquisition, so a drone that gets the action late, or after a restart under another boot id, starts nothing that it may no longer
/// run.</item>
/// <item>The drone renews in batches (<see cref="LeaseGrain"/>) and counts soft and hard deadline on its lease clock from a reading taken before
/// each call. By <see cref="LeaseNumbers.Problem"/> a backend that wasn't renewed is dead before the row expires, as long as the clocks' rates
/// agree within 2 %.</item>
/// <item>The key is released by a <c>terminated</c> event under the same (backend id, fencing token), in the same transaction, or by its expiry; by
/// nothing else.</item>
/// </list>
/// <para>
/// <b>No rule rests on this grain being alone.</b> Two activations of one key may run at once, on one silo or two. Each answer is one statement
/// or transaction: a token is inserted only if a live holder has the key, a key is acquired only if its row can be inserted. What the activation
/// remembers only saves work: see <see cref="KeyConnector"/>.
/// </para>
/// <para>
/// <b>Failure cases.</b> The caller's answer was lost: the command carries everything random, so repeating it finds its own backend and token.
/// The silo dies between acquiring and answering: likewise. The drone picked is gone: the acquisition re-checks it, and what was queued for one
/// that dies later is ended by the lost sweep when the lease expires. The database is away: <see cref="ErrorKind.DatabaseError"/>, nothing half-done.
/// </para>
/// So it needs no directory: each silo that is asked answers by an activation of its own, without a call to another silo, and one that is lost or parted from the
/// others or from the database takes no key with it.
/// All calls interleave: tokens for a held key are written in batches with those of other keys, and no connect waits behind another but to share the
/// acquisition of one that is under way on this silo.
/// </summary>
[StatelessWorker(1)]
internal sealed class KeyGrain(IPlaneStore store, TokenWriter tokens, RenewalWriter renewals, ControllerMetrics metrics) : Grain, IKeyGrain
{
    private KeyConfig _key = new() { Name = "" };
    private KeyConnector? _connector;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        if (!GrainKeyText.TryParse(this.GetPrimaryKeyString(), out _key))
        {
            throw new ArgumentException("the grain key is no key's");
        }

        _connector = new KeyConnector(store, tokens, cluster => GrainFactory.GetGrain<IClusterGrain>(cluster.Value));
        return Task.CompletedTask;
    }

    public async Task<ConnectResult> Connect(ConnectCommand command, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(command);
        ConnectResult result;
        if (ConnectCommandRules.Validate(command, _key) is { } error)
        {
            result = ConnectResult.Refused(ErrorKind.InvalidRequest, error.Message);
        }
        else
        {
            try
            {
                result = await _connector!.ConnectAsync(command, cancellationToken);
            }
            catch (StoreUnavailableException e)
            {
                result = ConnectResult.Refused(ErrorKind.DatabaseError, e.ForCaller(store.Outage));
            }
        }

        metrics.Connected(MetricTags.OutcomeOf(result));
        return result;
    }

    public async Task<RenewalOutcome> Renew(BackendIdentity holder, CancellationToken cancellationToken) =>
        (await renewals.RenewAsync([holder], cancellationToken).OrAskAgain())[0];

    public Task<HolderInfo?> ReadHolder(CancellationToken cancellationToken) => store.ReadHolderAsync(_key, cancellationToken).OrAskAgain();
}
