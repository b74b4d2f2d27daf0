using System.ComponentModel;
using Orleans;

namespace Plane;

/// <summary>
/// The times of a lease. One set rules a cluster: the controller validates it at start and hands it to drones when they register. All but
/// <see cref="Expiry"/> and <see cref="HeartbeatFresh"/> are measured on the drone's lease clock, those two on the database's.
/// </summary>
[GenerateSerializer, Immutable, Alias("plane.LeaseNumbers")]
public sealed record LeaseOptions
{
    /// <summary>After this the drone asks for renewal. Default 15 s.</summary>
    [Description("after this the drone asks for renewal")]
    [Id(0)]
    public TimeSpan RenewAfter { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Without a renewal by then the drone ends the backend gracefully. Default 40 s.</summary>
    [Description("without a renewal by then the drone ends the backend gracefully")]
    [Id(1)]
    public TimeSpan Soft { get; init; } = TimeSpan.FromSeconds(40);

    /// <summary>Without a renewal by then the drone kills it. Default 50 s.</summary>
    [Description("without a renewal by then the drone kills the backend")]
    [Id(2)]
    public TimeSpan Hard { get; init; } = TimeSpan.FromSeconds(50);

    /// <summary>From then on the key may be acquired by another. Default 60 s.</summary>
    [Description("from then on the key may be acquired by another")]
    [Id(3)]
    public TimeSpan Expiry { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long one renewal call may take before it is abandoned and retried. Default 3 s.</summary>
    [Description("how long one renewal call may take before it is abandoned and retried")]
    [Id(4)]
    public TimeSpan RenewalCall { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How often a renewal that got no answer is retried. Default 1 s.</summary>
    [Description("how often a renewal that got no answer is retried")]
    [Id(5)]
    public TimeSpan RenewalRetry { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often a drone says that it lives. Default 7 s.</summary>
    [Description("how often a drone says that it lives")]
    [Id(6)]
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromSeconds(7);

    /// <summary>A drone gets new backends only while its last heartbeat is younger. Default 20 s.</summary>
    [Description("a drone gets new backends only while its last heartbeat is younger")]
    [Id(7)]
    public TimeSpan HeartbeatFresh { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>From the stop signal to the kill, where the spawn sets no other. Default 10 s.</summary>
    [Description("from the stop signal to the kill, where the spawn sets no other")]
    [Id(8)]
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>What a kill may take at the worst. Default 5 s.</summary>
    [Description("what a kill may take at the worst")]
    [Id(9)]
    public TimeSpan Kill { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often a proxy reports which backends are in use. Default 7 s.</summary>
    [Description("how often a proxy reports which backends are in use")]
    [Id(10)]
    public TimeSpan ProxyReport { get; init; } = TimeSpan.FromSeconds(7);

    /// <summary>A proxy silent for longer no longer counts for idleness. At least two of its reports, and three heartbeats of a controller. Default 60 s.</summary>
    [Description("a proxy silent for longer no longer counts for idleness")]
    [Id(11)]
    public TimeSpan ProxySilent { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How often the controller sweeps for idle, overdue and lost backends. Default 5 s.</summary>
    [Description("how often the controller sweeps for idle, overdue and lost backends")]
    [Id(12)]
    public TimeSpan Sweep { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The defaults, made shorter or longer all together: tests run with leases of seconds, at the same proportions.</summary>
    /// <param name="factor">0.02 makes a lease of 1.2 s.</param>
    public static LeaseOptions Scaled(double factor)
    {
        var d = new LeaseOptions();
        return new LeaseOptions
        {
            RenewAfter = d.RenewAfter * factor,
            Soft = d.Soft * factor,
            Hard = d.Hard * factor,
            Expiry = d.Expiry * factor,
            RenewalCall = d.RenewalCall * factor,
            RenewalRetry = d.RenewalRetry * factor,
            Heartbeat = d.Heartbeat * factor,
            HeartbeatFresh = d.HeartbeatFresh * factor,
            Grace = d.Grace * factor,
            Kill = d.Kill * factor,
            ProxyReport = d.ProxyReport * factor,
            ProxySilent = d.ProxySilent * factor,
            Sweep = d.Sweep * factor,
        };
    }

    /// <summary>
    /// What is wrong with the numbers, or <see langword="null"/>: there must be room for four renewal calls before the soft deadline, and a kill that begins
    /// at the hard deadline must be done, on a clock that runs 2 % slow, when the lease expires. A report that comes late must not make its sender silent.
    /// </summary>
    public string? Validate()
    {
        const double Drift = 1.02;
        var all = new[] { RenewAfter, Soft, Hard, Expiry, RenewalCall, RenewalRetry, Heartbeat, HeartbeatFresh, Grace, Kill, ProxyReport, ProxySilent, Sweep };
        if (all.Any(t => t <= TimeSpan.Zero || t > TimeSpan.FromHours(1)))
        {
            return "every lease number must be positive and at most an hour";
        }

        if (!(RenewAfter < Soft && Soft < Hard && Hard < Expiry))
        {
            return "the lease numbers must grow from renew-after over soft and hard to expiry";
        }

        if (Soft - RenewAfter < 4 * RenewalCall)
        {
            return "soft - renew-after must be at least 4 renewal calls";
        }

        if ((Hard + Kill) * Drift > Expiry)
        {
            return "(hard + kill) with 2 % drift must not be later than expiry";
        }

        if (HeartbeatFresh < 2 * Heartbeat)
        {
            return "heartbeat-fresh must be at least 2 heartbeats";
        }

        if (ProxySilent < 2 * ProxyReport)
        {
            return "proxy-silent must be at least 2 proxy-reports";
        }

        // Controllers whose last heartbeat is older than half of it count as having been away.
        return ProxySilent < 3 * Heartbeat ? "proxy-silent must be at least 3 heartbeats" : null;
    }

    /// <summary>The deadlines of a lease that was acquired or renewed at a reading.</summary>
    /// <param name="reading">The reading of the drone's lease clock in milliseconds, taken before the lease was asked for.</param>
    /// <param name="instanceId">The drone's instance id of that reading.</param>
    /// <param name="bootId">The boot id of that reading.</param>
    public LeaseDeadlines DeadlinesFrom(long reading, string instanceId, string bootId) => new()
    {
        InstanceId = instanceId,
        BootId = bootId,
        RenewAt = reading + (long)RenewAfter.TotalMilliseconds,
        SoftAt = reading + (long)Soft.TotalMilliseconds,
        HardAt = reading + (long)Hard.TotalMilliseconds,
    };
}
