using Orleans;
using Plane.Storage;

namespace Plane.Grains;

/// <summary>
/// One shard of what is known of the clusters' certificates. Reads of TXT values are answered from memory for at most a second, and concurrent ones of a
/// cluster share a statement, since a DNS server may be asked by anyone as often as they like, also for clusters that do not exist. So nothing is held for a
/// cluster that grows with the questions: no grain, no subscription of the feed, and of the readings a bounded number. Leases and orders are each one
/// statement of the database, which decides.
/// </summary>
internal sealed class CertificateGrain(ICertificateStore store, TimeProvider time) : Grain, ICertificateGrain
{
    /// <summary>The most clusters whose values a shard keeps.</summary>
    internal const int MaxReadings = 512;

    private static readonly TimeSpan s_fresh = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_lifetime = TimeSpan.FromMinutes(10);

    private readonly Dictionary<ClusterName, Reading> _readings = [];

    public async Task<string[]> ReadTxt(ClusterName cluster, CancellationToken cancellationToken)
    {
        CheckShard(cluster);
        if (!_readings.TryGetValue(cluster, out var reading) || reading.Values.IsFaulted || time.GetElapsedTime(reading.BegunAt) >= s_fresh)
        {
            if (_readings.Count >= MaxReadings)
            {
                // They are a second's worth: throwing all away costs at most a statement for each that is asked for again.
                _readings.Clear();
            }

            // Not cancelled by the caller that happened to begin it: others wait for it too. The store bounds its statements.
            reading = new Reading(time.GetTimestamp(), store.ReadTxtAsync(cluster, CancellationToken.None));
            _readings[cluster] = reading;
        }

        return await reading.Values.WaitAsync(cancellationToken).TranslateStoreFailures();
    }

    public async Task<FieldError?> SetTxt(ClusterName cluster, TxtValues values, CancellationToken cancellationToken)
    {
        CheckShard(cluster);
        if (values is null)
        {
            return Missing("values");
        }

        if (values.Validate() is { } error)
        {
            return error;
        }

        if (!await store.SetTxtAsync(cluster, values, s_lifetime, cancellationToken).TranslateStoreFailures())
        {
            return TxtValues.TooMany;
        }

        // Who set them reads them back at once.
        _readings.Remove(cluster);
        return null;
    }

    public async Task<TxtEntry[]> ListTxt(ClusterName cluster, CancellationToken cancellationToken)
    {
        CheckShard(cluster);
        return await store.ListTxtAsync(cluster, cancellationToken).TranslateStoreFailures();
    }

    public async Task<ChallengeLease> TryHoldChallenge(ClusterName cluster, ChallengeHold hold, CancellationToken cancellationToken)
    {
        CheckShard(cluster);
        InvalidCallException.ThrowIf(hold is null ? Missing("hold") : hold.Validate());
        return await store.HoldChallengeAsync(cluster, hold!, cancellationToken).TranslateStoreFailures();
    }

    public async Task ReleaseChallenge(ClusterName cluster, string owner, CancellationToken cancellationToken)
    {
        CheckShard(cluster);
        InvalidCallException.ThrowIf(FieldError.From("owner", NameRules.TextProblem(owner, 1)));
        await store.ReleaseChallengeAsync(cluster, owner, cancellationToken).TranslateStoreFailures();
    }

    public async Task<OrderQuota> TryBeginOrder(ClusterName cluster, CertificateOrder order, CancellationToken cancellationToken)
    {
        CheckShard(cluster);
        InvalidCallException.ThrowIf(order is null ? Missing("order") : order.Validate());
        return await store.BeginOrderAsync(cluster, order!, cancellationToken).TranslateStoreFailures();
    }

    public async Task DropOrder(ClusterName cluster, string orderId, CancellationToken cancellationToken)
    {
        CheckShard(cluster);
        InvalidCallException.ThrowIf(FieldError.From("id", NameRules.TextProblem(orderId, 1)));
        await store.DropOrderAsync(cluster, orderId, cancellationToken).TranslateStoreFailures();
    }

    private static FieldError Missing(string path) => new(path, "must be given");

    private void CheckShard(ClusterName cluster)
    {
        InvalidCallException.ThrowIf(FieldError.From("cluster", NameRules.NameProblem(cluster)));
        var key = this.GetPrimaryKeyString();
        if (GrainKeys.Certificate(cluster) != key)
        {
            throw GrainKeys.IsCertificate(key)
                ? new InvalidCallException("cluster is not one of this shard")
                : this.KeyRefused("it must be c and the number of a shard");
        }
    }

    private sealed record Reading(long BegunAt, Task<string[]> Values);
}
