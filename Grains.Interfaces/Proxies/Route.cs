using Orleans;
using Orleans.Concurrency;

namespace Plane;

/// <summary>Where a token leads.</summary>
[GenerateSerializer, Immutable, Alias("plane.Route")]
public sealed record Route
{
    /// <summary>The backend and its acquisition. A route with an older fencing token never replaces a newer one.</summary>
    [Id(0)]
    public required BackendIdentity Backend { get; init; }

    /// <summary>Its cluster.</summary>
    [Id(1)]
    public required ClusterName Cluster { get; init; }

    /// <summary>Where it answers, as <c>127.0.0.1:30001</c>.</summary>
    [Id(2)]
    public required string Address { get; init; }

    /// <summary>The subdomain under which alone it answers.</summary>
    [Id(3)]
    public string? Subdomain { get; init; }

    /// <summary>The token's user.</summary>
    [Id(4)]
    public string? User { get; init; }

    /// <summary>The token's JSON object for the backend.</summary>
    [Id(5)]
    public JsonText? Auth { get; init; }

    /// <summary>The secret that goes with the token.</summary>
    [Id(6)]
    public string? SecretToken { get; init; }

    /// <summary>The state it was read in.</summary>
    [Id(7)]
    public required BackendStatus Status { get; init; }

    /// <summary>How the backend is spoken to, where that is not the usual.</summary>
    [Id(8)]
    public WebSettings? Web { get; init; }

    /// <summary>The backend alone: the rest is secret or personal.</summary>
    public override string ToString() => $"{Backend.Backend} at {Address}";
}

/// <summary>What is known of a token.</summary>
[GenerateSerializer, Alias("plane.RouteOutcome")]
public enum RouteOutcome
{
    /// <summary>It leads to a backend that answers.</summary>
    Found,

    /// <summary>Its backend is still starting: retry.</summary>
    Starting,

    /// <summary>Unknown, revoked, or its backend has ended.</summary>
    Gone,
}

/// <summary>The answer to a resolve.</summary>
[GenerateSerializer, Immutable, Alias("plane.RouteReply")]
public sealed record RouteReply
{
    /// <summary>What is known.</summary>
    [Id(0)]
    public required RouteOutcome Outcome { get; init; }

    /// <summary>The route, where found.</summary>
    [Id(1)]
    public Route? Route { get; init; }

    /// <summary>
    /// The place in the change log at which it was read: every change before it is in the answer. A proxy that has already seen a later change of this backend
    /// or token must not keep the answer.
    /// </summary>
    [Id(2)]
    public required LogPosition ReadAt { get; init; }

    /// <summary>The backend that is starting, where it is: a waiting call reads again when this one changes, not when any does.</summary>
    [Id(3)]
    public BackendIdentity? Backend { get; init; }

    /// <summary>Where the token's backend is gone, or about to be: whether it never was ready.</summary>
    [Id(4)]
    public bool NeverReady { get; init; }

    /// <summary>Where it never was ready: why it ended. None means that it exited by itself.</summary>
    [Id(5)]
    public TerminationReason? Reason { get; init; }
}

/// <summary>
/// Resolves tokens, keyed by <see cref="GrainKeys.Route"/>: the token itself is a parameter, since grain keys reach logs.
/// </summary>
[Alias("plane.IRouteGrain")]
public interface IRouteGrain : IReachable
{
    /// <summary>Where the token leads; waits while its backend is starting.</summary>
    /// <param name="token">The token.</param>
    /// <param name="wait">How long to wait for the backend to be ready or ended, at most 5 s.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    [Alias("Resolve"), AlwaysInterleave]
    Task<RouteReply> Resolve(BearerToken token, TimeSpan wait, CancellationToken cancellationToken = default);
}
