using Orleans;

namespace Plane;

/// <summary>The three deadlines of a lease, as readings in milliseconds of the drone's own lease clock (<see cref="ILeaseClock"/>); never converted.</summary>
[GenerateSerializer, Immutable, Alias("plane.LeaseDeadlines")]
public sealed record LeaseDeadlines
{
    /// <summary>The drone instance whose reading they were counted from. Another instance treats the lease as expired.</summary>
    [Id(0)]
    public required string InstanceId { get; init; }

    /// <summary>The boot that the readings belong to. In another boot the lease counts as expired.</summary>
    [Id(1)]
    public required string BootId { get; init; }

    /// <summary>When to ask for renewal.</summary>
    [Id(2)]
    public required long RenewAt { get; init; }

    /// <summary>When to begin ending the backend gracefully.</summary>
    [Id(3)]
    public required long SoftAt { get; init; }

    /// <summary>When to kill it.</summary>
    [Id(4)]
    public required long HardAt { get; init; }

    /// <summary>The later of two deadlines of one lease: a reply that was overtaken must not move one back.</summary>
    /// <param name="other">The other deadlines, of the same instance and boot.</param>
    public LeaseDeadlines Later(LeaseDeadlines other) => other.HardAt > HardAt ? other : this;
}
