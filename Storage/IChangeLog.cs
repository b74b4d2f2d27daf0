namespace Plane.Storage;

/// <summary>The log of changes, which everything that waits for a change reads. The rules of <see cref="IPlaneStore"/> hold for each member.</summary>
public interface IChangeLog
{
    /// <summary>The position up to which every change is visible now.</summary>
    Task<LogPosition> ReadLogEndAsync(CancellationToken cancellationToken);

    /// <summary>Rows after a position, in order, that no running transaction can still come before.</summary>
    Task<ChangePage> ReadLogAsync(LogPosition after, int limit, CancellationToken cancellationToken);

    /// <summary>
    /// What an operator sees of the log after a position, or, without one, the last rows of it; each with its time and, for a backend's state, what the history has of it. Bounded and ordered
    /// as <see cref="ReadLogAsync"/> is.
    /// </summary>
    Task<EventPage> ReadEventsAsync(ClusterName? cluster, LogPosition? after, int limit, CancellationToken cancellationToken);

    /// <summary>
    /// Completes when a commit of this or another silo may have written to the log, and at the latest after the time. Own commits wake at once; other silos'
    /// by one notification at most every 10 ms, sent after commits, never inside a transaction. A wake-up between two waits completes the second at once, so
    /// nothing is missed by a reader that reads between its waits; one such reader per store.
    /// </summary>
    Task WaitForLogAsync(TimeSpan atMost, CancellationToken cancellationToken);
}
