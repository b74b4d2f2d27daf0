using Orleans;
using Orleans.Concurrency;

namespace Plane;

/// <summary>
/// What the cluster knows of certificates: the ACME challenge values, who is at a challenge, and how many orders were made. Keyed by a shard of the cluster's
/// hash (<see cref="GrainKeys.Certificate"/>): questions come from anywhere, and invented clusters must not make grains.
/// </summary>
[Alias("plane.ICertificateGrain")]
public interface ICertificateGrain : IGrainWithStringKey
{
    /// <summary>Every value that is set and has not expired: the union over all owners, sorted, none twice; at most a second old.</summary>
    /// <param name="cluster">Whose values.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer.</param>
    [Alias("ReadTxt"), AlwaysInterleave]
    Task<string[]> ReadTxt(ClusterName cluster, CancellationToken cancellationToken = default);

    /// <summary>Sets one owner's values in place of its earlier ones, or adds to them. They expire after 10 minutes.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="values">The owner and its values.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer.</param>
    /// <returns>What is wrong with the values, or null.</returns>
    [Alias("SetTxt"), AlwaysInterleave]
    Task<FieldError?> SetTxt(ClusterName cluster, TxtValues values, CancellationToken cancellationToken = default);

    /// <summary>The values that are set, owner by owner, sorted by owner; read afresh.</summary>
    /// <param name="cluster">Whose values.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer.</param>
    [Alias("ListTxt"), AlwaysInterleave]
    Task<TxtEntry[]> ListTxt(ClusterName cluster, CancellationToken cancellationToken = default);

    /// <summary>
    /// Acquires the cluster's challenge lease, or renews it for who holds it. It is free after its time by the database's clock, so the lease of a holder that
    /// died is taken over. A courtesy that keeps proxies from ordering twice: nothing is wrong where two order at once, for each proxy's values stand beside
    /// the others'.
    /// </summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="hold">Who asks, and for how long.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer.</param>
    /// <returns>Who holds it now, and for how long at most.</returns>
    /// <exception cref="InvalidCallException">The request is not valid (<see cref="ChallengeHold.Validate"/>).</exception>
    [Alias("TryHoldChallenge"), AlwaysInterleave]
    Task<ChallengeLease> TryHoldChallenge(ClusterName cluster, ChallengeHold hold, CancellationToken cancellationToken = default);

    /// <summary>Gives the challenge lease back. Nothing happens where another holds it, or none.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="owner">Who held it.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer.</param>
    [Alias("ReleaseChallenge"), AlwaysInterleave]
    Task ReleaseChallenge(ClusterName cluster, string owner, CancellationToken cancellationToken = default);

    /// <summary>
    /// Counts an order before it is made, unless as many were counted within the window: a certification authority locks a name out for a week, so the count is
    /// kept by the database over all proxies. Asked again with the same id, it answers the same without counting twice.
    /// </summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="order">The order.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer.</param>
    /// <exception cref="InvalidCallException">The request is not valid (<see cref="CertificateOrder.Validate"/>).</exception>
    [Alias("TryBeginOrder"), AlwaysInterleave]
    Task<OrderQuota> TryBeginOrder(ClusterName cluster, CertificateOrder order, CancellationToken cancellationToken = default);

    /// <summary>Takes back the count of an order that ended without a certificate: authorities count certificates. One that is never heard of again stays counted.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="orderId"><see cref="CertificateOrder.Id"/>.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer.</param>
    [Alias("DropOrder"), AlwaysInterleave]
    Task DropOrder(ClusterName cluster, string orderId, CancellationToken cancellationToken = default);
}
