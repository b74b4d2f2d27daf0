using Orleans;
using Orleans.Concurrency;

namespace Plane;

/// <summary>
/// Renews keys in batches, keyed by <see cref="GrainKeys.Lease"/>. Touches no grain state and waits behind nothing.
/// </summary>
[Alias("plane.ILeaseGrain")]
public interface ILeaseGrain : IReachable
{
    /// <summary>Renews a batch. An error means "retry"; only an answer refuses.</summary>
    [Alias("Renew"), AlwaysInterleave, ResponseTimeout("00:00:03")]
    Task<RenewalReply> Renew(RenewalBatch batch, CancellationToken cancellationToken = default);
}
