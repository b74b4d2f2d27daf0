using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>Everything known of a backend (<c>GET /ctrl/b/{backend}</c>). Holds no secret.</summary>
[GenerateSerializer, Immutable, Alias("plane.BackendDetails")]
public sealed record BackendDetails
{
    /// <summary>The backend.</summary>
    [Id(0)]
    public required BackendName BackendId { get; init; }

    /// <summary>Its cluster.</summary>
    [Id(1)]
    public required ClusterName Cluster { get; init; }

    /// <summary>Its drone.</summary>
    [Id(2)]
    public required DroneName Drone { get; init; }

    /// <summary>The pool it was asked for.</summary>
    [Id(3)]
    public string Pool { get; init; } = "";

    /// <summary>Its key and the fencing token it was acquired with; kept after the key is released.</summary>
    [Id(4)]
    public required KeyInfo Key { get; init; }

    /// <summary>Whether it still holds the key.</summary>
    [Id(5)]
    public required bool HoldsKey { get; init; }

    /// <summary>False once its renewal was prevented.</summary>
    [Id(6)]
    public bool AllowRenew { get; init; } = true;

    /// <summary>Its status.</summary>
    [Id(7)]
    public required BackendStatus Status { get; init; }

    /// <summary>When the state was reached.</summary>
    [Id(8)]
    public required DateTimeOffset StatusTime { get; init; }

    /// <summary>When it was scheduled.</summary>
    [Id(9)]
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When a proxy last reported traffic or an open connection.</summary>
    [Id(10)]
    public DateTimeOffset? LastUsedAt { get; init; }

    /// <summary>When its lease expires unless renewed.</summary>
    [Id(11)]
    public DateTimeOffset? LeaseExpiresAt { get; init; }

    /// <summary>When its lifetime ends.</summary>
    [Id(12)]
    public DateTimeOffset? LifetimeEndsAt { get; init; }

    /// <summary>Ended after so many seconds without a connection.</summary>
    [Id(13)]
    public int? MaxIdleSeconds { get; init; }

    /// <summary>Where it answers, as <c>127.0.0.1:30001</c>.</summary>
    [Id(14)]
    public string? Address { get; init; }

    /// <summary>The subdomain it answers under.</summary>
    [Id(15)]
    public string? Subdomain { get; init; }

    /// <summary>Whether all connect responses carry the same token.</summary>
    [Id(16)]
    public bool UsesStaticToken { get; init; }

    /// <summary>What runs: <c>docker</c> or <c>process</c>.</summary>
    [Id(17)]
    public required ExecutorKind Executor { get; init; }

    /// <summary>The image, for a Docker backend.</summary>
    [Id(18)]
    public string? Image { get; init; }

    /// <summary>The exit code, once it is known.</summary>
    [Id(19)]
    public int? ExitCode { get; init; }

    /// <summary>What went wrong, in words, where something did.</summary>
    [Id(20)]
    public string? Message { get; init; }

    /// <summary>Every step so far, oldest first.</summary>
    [Id(21)]
    public StatusEntry[] History { get; init; } = [];

    /// <summary>The last lines of its output, where it ended with an error or before it was ready.</summary>
    [Id(22)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? OutputTail { get; init; }

    /// <summary>The service whose backend it is.</summary>
    [Id(23)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ServiceName? Service { get; init; }

    /// <summary>The version of the service that it was started with.</summary>
    [Id(24)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? ServiceVersion { get; init; }

    /// <summary>The fencing token that it was started under, where it was warm and got its key later.</summary>
    [Id(25)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public FencingToken? StartToken { get; init; }

    /// <summary>What its drone calls it on its machine.</summary>
    [JsonIgnore]
    public BackendIdentity AsStarted => new(BackendId, StartToken ?? Key.FencingToken);
}

/// <summary>A row of the list of backends.</summary>
[GenerateSerializer, Immutable, Alias("plane.BackendSummary")]
public sealed record BackendSummary
{
    /// <summary>The backend.</summary>
    [Id(0)]
    public required BackendName BackendId { get; init; }

    /// <summary>Its cluster.</summary>
    [Id(1)]
    public required ClusterName Cluster { get; init; }

    /// <summary>Its drone.</summary>
    [Id(2)]
    public required DroneName Drone { get; init; }

    /// <summary>Its key.</summary>
    [Id(3)]
    public required KeyInfo Key { get; init; }

    /// <summary>Its status.</summary>
    [Id(4)]
    public required BackendStatus Status { get; init; }

    /// <summary>When it was scheduled.</summary>
    [Id(5)]
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Why it ended.</summary>
    [Id(6)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TerminationReason? TerminationReason { get; init; }

    /// <summary>The service whose backend it is.</summary>
    [Id(7)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ServiceName? Service { get; init; }
}

/// <summary>Which backends to list.</summary>
[GenerateSerializer, Immutable, Alias("plane.BackendQuery")]
public sealed record BackendQuery
{
    /// <summary>The most rows of one page.</summary>
    public const int MaxLimit = 1_000;

    /// <summary>Only this cluster's.</summary>
    [Id(0)]
    public ClusterName? Cluster { get; init; }

    /// <summary>Only in this state.</summary>
    [Id(1)]
    public BackendStatus? Status { get; init; }

    /// <summary>Only this drone's.</summary>
    [Id(2)]
    public DroneName? Drone { get; init; }

    /// <summary>Only of keys with this name, in any namespace.</summary>
    [Id(3)]
    public string? KeyName { get; init; }

    /// <summary>Only those that have not ended.</summary>
    [Id(6)]
    public bool Live { get; init; }

    /// <summary>Only of this service.</summary>
    [Id(7)]
    public ServiceName? Service { get; init; }

    /// <summary>Rows of a page, 1 to <see cref="MaxLimit"/>.</summary>
    [Id(4)]
    public int Limit { get; init; } = 100;

    /// <summary>The <see cref="BackendPage.NextCursor"/> of the page before.</summary>
    [Id(5)]
    public string? Cursor { get; init; }
}

/// <summary>One page of backends, newest first.</summary>
[GenerateSerializer, Immutable, Alias("plane.BackendPage")]
public sealed record BackendPage
{
    /// <summary>The rows.</summary>
    [Id(0)]
    public BackendSummary[] Backends { get; init; } = [];

    /// <summary>Asks for the next page; null on the last one.</summary>
    [Id(1)]
    public string? NextCursor { get; init; }
}
