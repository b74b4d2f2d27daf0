using Orleans;
using Orleans.Concurrency;

namespace Plane;

/// <summary>
/// Renews keys in batches, keyed by <c>{cluster}/{drone}/{attempt mod 8}</c>: a retry uses another key, so that it is not bound to a gateway that died or stands still. Touches
/// no grain state and waits behind nothing.
/// </summary>
[Alias("plane.ILeaseGrain")]
public interface ILeaseGrain : IGrainWithStringKey
{
    /// <summary>Renews a batch. An error means "ask again"; only an answer refuses.</summary>
    [Alias("Renew"), AlwaysInterleave, ResponseTimeout("00:00:03")]
    Task<RenewalReply> Renew(RenewalBatch batch, CancellationToken cancellationToken = default);
}
