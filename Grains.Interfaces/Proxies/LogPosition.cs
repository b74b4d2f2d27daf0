using Orleans;

namespace Plane;

/// <summary>
/// A place in the change log: the transaction that wrote the row, then the row's own number. Rows are read in this order, below the oldest transaction that
/// is still running, so that one that commits late is not passed over. After a failover of the database positions continue far above those of before, so that none is given twice.
/// </summary>
/// <param name="Transaction">The writing transaction's id, counted on over failovers.</param>
/// <param name="Sequence">The row's number.</param>
[GenerateSerializer, Immutable, Alias("plane.LogPosition")]
public readonly record struct LogPosition([property: Id(0)] long Transaction, [property: Id(1)] long Sequence) : IComparable<LogPosition>
{
    /// <summary>Before every row.</summary>
    public static LogPosition Start => default;

    /// <inheritdoc/>
    public int CompareTo(LogPosition other) =>
        Transaction != other.Transaction ? Transaction.CompareTo(other.Transaction) : Sequence.CompareTo(other.Sequence);

    /// <summary>Whether the left one comes first.</summary>
    public static bool operator <(LogPosition left, LogPosition right) => left.CompareTo(right) < 0;

    /// <summary>Whether the left one comes later.</summary>
    public static bool operator >(LogPosition left, LogPosition right) => left.CompareTo(right) > 0;

    /// <summary>Whether the left one comes first or is the same.</summary>
    public static bool operator <=(LogPosition left, LogPosition right) => left.CompareTo(right) <= 0;

    /// <summary>Whether the left one comes later or is the same.</summary>
    public static bool operator >=(LogPosition left, LogPosition right) => left.CompareTo(right) >= 0;
}

/// <summary>What changed.</summary>
[GenerateSerializer, Alias("plane.ChangeKind")]
public enum ChangeKind
{
    /// <summary>A backend reached a state.</summary>
    BackendState = 1,

    /// <summary>A connection token was revoked.</summary>
    TokenRevoked = 2,

    /// <summary>
    /// A drone has an action to do, or its session was replaced. With a state it is for operators: the drone registered (<see cref="BackendStatus.Scheduled"/>), was drained (<see cref="BackendStatus.Terminating"/>), or takes new
    /// backends again (<see cref="BackendStatus.Ready"/>).
    /// </summary>
    DroneAction = 3,

    /// <summary>A cluster's TXT values changed.</summary>
    TxtValues = 4,

    /// <summary>
    /// A service or its signing keys changed, in every cluster. With <see cref="BackendStatus.Terminated"/> it was deleted.
    /// </summary>
    Service = 5,
}

/// <summary>One row of the change log. Holds no secret: a token is named by its hash.</summary>
[GenerateSerializer, Immutable, Alias("plane.Change")]
public sealed record Change
{
    /// <summary>Its position in the log.</summary>
    [Id(0)]
    public required LogPosition Position { get; init; }

    /// <summary>What changed.</summary>
    [Id(1)]
    public required ChangeKind Kind { get; init; }

    /// <summary>The cluster it concerns; not set for a service, which concerns all.</summary>
    [Id(2)]
    public required ClusterName Cluster { get; init; }

    /// <summary>The backend, for a state or a revoked token.</summary>
    [Id(3)]
    public BackendIdentity? Backend { get; init; }

    /// <summary>The state reached.</summary>
    [Id(4)]
    public BackendStatus? Status { get; init; }

    /// <summary>The hash of the revoked token.</summary>
    [Id(5)]
    public string? TokenHash { get; init; }

    /// <summary>The drone, for an action.</summary>
    [Id(6)]
    public DroneName? Drone { get; init; }

    /// <summary>The service, for a change of one.</summary>
    [Id(7)]
    public ServiceName? Service { get; init; }
}
