namespace Plane.Storage;

/// <summary>TXT values of DNS challenges, and the orders of certificates. The rules of <see cref="IPlaneStore"/> hold for each member.</summary>
public interface ICertificateStore
{
    /// <summary>The cluster's values that have not expired: the union, sorted.</summary>
    Task<string[]> ReadTxtAsync(ClusterName cluster, CancellationToken cancellationToken);

    /// <summary>Sets one owner's values in place of its earlier ones, or adds to them, for a time.</summary>
    /// <returns>Whether they are set; false where the owner would have more than <see cref="TxtValues.MaxValues"/>, and nothing changed.</returns>
    Task<bool> SetTxtAsync(ClusterName cluster, TxtValues values, TimeSpan lifetime, CancellationToken cancellationToken);

    /// <summary>The cluster's values that have not expired, by owner.</summary>
    Task<TxtEntry[]> ListTxtAsync(ClusterName cluster, CancellationToken cancellationToken);

    /// <summary>Acquires or renews the challenge lease; the result is who holds it after that.</summary>
    Task<ChallengeLease> HoldChallengeAsync(ClusterName cluster, ChallengeHold hold, CancellationToken cancellationToken);

    /// <summary>Ends the challenge lease of its holder.</summary>
    Task ReleaseChallengeAsync(ClusterName cluster, string owner, CancellationToken cancellationToken);

    /// <summary>Counts an order within its limit, in one step; one of the same id counts once.</summary>
    Task<OrderQuota> BeginOrderAsync(ClusterName cluster, CertificateOrder order, CancellationToken cancellationToken);

    /// <summary>Takes an order's count back.</summary>
    Task DropOrderAsync(ClusterName cluster, string orderId, CancellationToken cancellationToken);
}
