using Orleans;
using Orleans.Concurrency;
using Plane.Storage;

namespace Plane.Grains.Keys;

/// <summary>
/// Renews leases: the repeated half of the lease protocol, whose head is at <see cref="KeyConnector"/>.
/// <para>
/// One call is: (1) is the session still current? A replaced one learns that and gets neither renewals nor refusals; (2) one conditional
/// statement for all that is asked of this silo at that moment; (3) per holder new deadlines or a refusal. A session that is replaced between
/// (1) and (2) renews once more, which is harmless: the lease belongs to the backend, and the newer session of the same instance renews it too.
/// </para>
/// <para>
/// Deadlines are the reading that came with the call, plus the lease numbers. The drone took the reading before it sent the call and the
/// database sets the expiry after it arrived, so the deadlines are early, never late, however long the call took; and no clock is compared with
/// another.
/// </para>
/// <para>
/// Only a statement that ran may refuse. Whatever goes wrong on the way (database away, time-out, this silo stopping) is an exception, which
/// means "retry": a refusal ends a backend at once, so it must never come from not knowing. A call that is repeated while its first attempt
/// still runs is harmless: an expiry never moves back, and the drone keeps the later deadlines.
/// </para>
/// The class has no state: any number of activations, on any silo, answer alike. So the silo that a drone reaches does, and a renewal waits for no other.
/// </summary>
[StatelessWorker(1)]
internal sealed class LeaseGrain(IDroneStore store, IStore database, RenewalWriter renewals, GrainOptions options) : Grain, ILeaseGrain
{
    public Task Ping(CancellationToken cancellationToken) => database.EnsureAnswers();

    public async Task<RenewalReply> Renew(RenewalBatch batch, CancellationToken cancellationToken)
    {
        InvalidCallException.ThrowIf(batch is null ? new FieldError("batch", "must be given") : batch.Validate());
        if (!GrainKeys.IsLease(this.GetPrimaryKeyString(), batch!.Session.Cluster, batch.Session.Drone))
        {
            throw this.KeyRefused("it must be cluster/drone/number, of the drone that renews");
        }

        var session = await store.ReadSessionAsync(batch.Session, cancellationToken).TranslateStoreFailures();
        if (session != SessionState.Current)
        {
            return new RenewalReply { Session = session };
        }

        var outcomes = await renewals.RenewAsync(batch.Items, cancellationToken).TranslateStoreFailures();
        var deadlines = options.LeaseNumbers.DeadlinesFrom(batch.Reading, batch.InstanceId, batch.BootId);
        var answers = new RenewalAnswer[batch.Items.Length];
        for (var i = 0; i < answers.Length; i++)
        {
            answers[i] = new RenewalAnswer
            {
                Identity = batch.Items[i],
                Outcome = outcomes[i],
                Deadlines = outcomes[i] == RenewalOutcome.Renewed ? deadlines : null,
            };
        }

        return new RenewalReply { Session = session, Answers = answers };
    }
}
