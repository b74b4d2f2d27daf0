namespace Plane.Storage;

/// <summary>Backends: their states, their ends, and what is known of them. The rules of <see cref="IPlaneStore"/> hold for each member.</summary>
public interface IBackendStore
{
    /// <summary>
    /// Applies state events of one drone: identity compared, forward only, one row per backend, rows in id order. A <c>terminated</c> with the token releases
    /// the key in the same transaction. Every event gets its history row.
    /// </summary>
    /// <param name="session">The reporting drone's session, or null for an event that is applied without one.</param>
    /// <param name="events">The events, in order per backend. Their numbers may repeat: they are copied into the acknowledgements, no more.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <returns>One acknowledgement for each event, in the order of the events.</returns>
    Task<StateReply> ApplyStatesAsync(DroneSession? session, IReadOnlyList<StateEvent> events, CancellationToken cancellationToken);

    /// <summary>Queues a backend's end for its drone. Unchanged where the same or a harder end is queued, or it has ended.</summary>
    Task<ChangeOutcome> TerminateAsync(
        BackendName backend, ClusterName? cluster, TerminationKind kind, TerminationReason reason, CancellationToken cancellationToken);

    /// <summary>Everything known of a backend, with its history, or null.</summary>
    Task<BackendDetails?> ReadBackendAsync(BackendName backend, CancellationToken cancellationToken);

    /// <summary>The histories of backends, in their order; null where there is no such backend. One may be named more than once.</summary>
    Task<IReadOnlyList<BackendHistory?>> ReadHistoriesAsync(IReadOnlyList<BackendName> backends, CancellationToken cancellationToken);

    /// <summary>A page of backends, newest first.</summary>
    /// <exception cref="FormatException">The cursor is not one of this store.</exception>
    Task<BackendPage> ListBackendsAsync(BackendQuery query, CancellationToken cancellationToken);

    /// <summary>The backends that failed lately, the last first, however many others have ended since.</summary>
    /// <param name="within">How long ago at most, by the database's clock.</param>
    /// <param name="limit">The most of them.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    Task<IReadOnlyList<BackendFailure>> ListFailuresAsync(TimeSpan within, int limit, CancellationToken cancellationToken);
}
