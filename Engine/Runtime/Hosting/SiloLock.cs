namespace Orleans.Hosting;

/// <summary>
/// Keeps a second silo away from what this one serves. A silo with a lock in its services takes it before it serves anything, refuses to start if another has it,
/// and stops serving when it is lost until it has it again.
/// </summary>
public interface ISiloLock
{
    /// <summary>Tries to take the lock, once.</summary>
    /// <param name="cancellationToken">Cancelled when the host stops.</param>
    Task<SiloLockAttempt> TryTakeAsync(CancellationToken cancellationToken);

    /// <summary>Gives the lock back, so that a successor need not wait.</summary>
    /// <param name="cancellationToken">Cancelled when there is no time left.</param>
    Task ReleaseAsync(CancellationToken cancellationToken);
}

/// <summary>What came of an attempt to take the lock.</summary>
/// <param name="HeldBy">Who holds it, in words for the operator; null: we do.</param>
/// <param name="Lost">If we do: cancelled once that can't be relied on any more, e.g. because the database connection that carries the lock broke.</param>
public readonly record struct SiloLockAttempt(string? HeldBy, CancellationToken Lost);

/// <summary>Where a silo's gateway listens. A port of 0 was replaced by the one that was free.</summary>
public interface IGatewayAddress
{
    /// <summary>The address; null: it does not listen.</summary>
    System.Net.IPEndPoint? EndPoint { get; }
}
