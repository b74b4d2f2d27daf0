namespace Plane.ProxyHost.Certificates;

/// <summary>
/// What getting a certificate asks of the controller. As with <see cref="Controller.IControllerCalls"/>, any exception but a cancellation of the caller's own
/// means "no answer".
/// </summary>
internal interface IChallenges
{
    /// <summary>Acquires or renews the cluster's challenge lease; tells who holds it.</summary>
    Task<ChallengeLease> HoldAsync(TimeSpan time, CancellationToken cancellationToken);

    Task ReleaseAsync(CancellationToken cancellationToken);

    /// <summary>Sets this proxy's TXT values in place of its earlier ones; none clears them.</summary>
    Task SetAsync(string[] values, CancellationToken cancellationToken);

    /// <summary>Counts an order; asked again with the same id, it counts once.</summary>
    Task<OrderQuota> BeginOrderAsync(string id, string authority, int limit, CancellationToken cancellationToken);

    /// <summary>Takes the count of an order back that brought no certificate.</summary>
    Task DropOrderAsync(string id, CancellationToken cancellationToken);
}
