using Orleans;
using Orleans.Concurrency;

namespace Plane;

/// <summary>One proxy, keyed by <see cref="GrainKeys.Proxy"/>: reports of use, changes of routes.</summary>
[Alias("plane.IProxyGrain")]
public interface IProxyGrain : IReachable
{
    /// <summary>Records which backends are in use, and that the proxy lives. Sent every <see cref="LeaseOptions.ProxyReport"/>, also with nothing to tell.</summary>
    [Alias("Report"), AlwaysInterleave]
    Task<ProxyReportReply> Report(ProxyReport report, CancellationToken cancellationToken = default);

    /// <summary>The changes after a position that concern the cluster's routes; waits for one where there is none.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="after">The position read last, or null to begin at the end of the log.</param>
    /// <param name="wait">How long to wait, at most 5 s.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    [Alias("ReadChanges"), AlwaysInterleave]
    Task<ChangePage> ReadChanges(ClusterName cluster, LogPosition? after, TimeSpan wait, CancellationToken cancellationToken = default);
}

/// <summary>A proxy's report.</summary>
[GenerateSerializer, Immutable, Alias("plane.ProxyReport")]
public sealed record ProxyReport
{
    /// <summary>The most backends in one report; a proxy with more sends several.</summary>
    public const int MaxBackends = 5_000;

    /// <summary>The cluster.</summary>
    [Id(0)]
    public required ClusterName Cluster { get; init; }

    /// <summary>The proxy.</summary>
    [Id(1)]
    public required ProxyName Proxy { get; init; }

    /// <summary>The program's version.</summary>
    [Id(2)]
    public required string Version { get; init; }

    /// <summary>The program's source revision.</summary>
    [Id(3)]
    public string Hash { get; init; } = "";

    /// <summary>Backends with traffic since the last report, or anything open; none twice.</summary>
    [Id(4)]
    public BackendIdentity[] InUse { get; init; } = [];

    /// <summary>
    /// Whether another part of the same report follows. The sign of life counts with the last part alone: a proxy that had spoken, but not yet named all that
    /// it serves, would have the rest ended as idle.
    /// </summary>
    [Id(5)]
    public bool Continues { get; init; }

    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    public FieldError? Validate() =>
        FieldError.From("cluster", NameRules.NameProblem(Cluster))
        ?? FieldError.From("proxy", NameRules.NameProblem(Proxy))
        ?? FieldError.From("version", NameRules.TextProblem(Version, 1))
        ?? FieldError.From("hash", NameRules.TextProblem(Hash, 0))
        ?? BackendIdentity.Validate("in_use", InUse, MaxBackends);
}

/// <summary>The answer to a report.</summary>
[GenerateSerializer, Immutable, Alias("plane.ProxyReportReply")]
public sealed record ProxyReportReply
{
    /// <summary>How long until the next one.</summary>
    [Id(0)]
    public required TimeSpan ReportAgainAfter { get; init; }
}

/// <summary>Changes, in the order of the log.</summary>
[GenerateSerializer, Immutable, Alias("plane.ChangePage")]
public sealed record ChangePage
{
    /// <summary>The changes; may be empty.</summary>
    [Id(0)]
    public Change[] Changes { get; init; } = [];

    /// <summary>Where to read on.</summary>
    [Id(1)]
    public required LogPosition Next { get; init; }

    /// <summary>Whether rows after the position asked for were already cleaned up: everything known must be checked again.</summary>
    [Id(2)]
    public bool Gap { get; init; }
}
