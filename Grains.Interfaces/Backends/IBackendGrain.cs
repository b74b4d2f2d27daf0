using Orleans;
using Orleans.Concurrency;

namespace Plane;

/// <summary>One backend, keyed by its <see cref="BackendName"/>: transitions, history, termination.</summary>
[Alias("plane.IBackendGrain")]
public interface IBackendGrain : IGrainWithStringKey
{
    /// <summary>Everything known of it, or null where there is no such backend.</summary>
    [Alias("Describe"), AlwaysInterleave]
    Task<BackendDetails?> Describe(CancellationToken cancellationToken = default);

    /// <summary>
    /// The entries after a state, oldest first; waits for one where there is none yet. Since states only move forward, a state is a position in the history.
    /// </summary>
    /// <param name="after">The last state that the caller knows, or null for all.</param>
    /// <param name="wait">How long to wait for a new entry, at most 5 s; the answer may then be empty.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    [Alias("ReadStatus"), AlwaysInterleave]
    Task<StatusPage> ReadStatus(BackendStatus? after, TimeSpan wait, CancellationToken cancellationToken = default);

    /// <summary>Queues its end for the drone, behind its spawn if need be. Repeating it is harmless; hard after soft makes it hard.</summary>
    /// <param name="kind">How to end it.</param>
    /// <param name="cluster">Where given, the cluster that it must belong to.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer.</param>
    [Alias("Terminate"), AlwaysInterleave]
    Task<ChangeOutcome> Terminate(TerminationKind kind, ClusterName? cluster = null, CancellationToken cancellationToken = default);

    /// <summary>Forbids the renewal of its key, which ends it within a lease.</summary>
    [Alias("PreventRenewal"), AlwaysInterleave]
    Task<ChangeOutcome> PreventRenewal(CancellationToken cancellationToken = default);

    /// <summary>Deletes connection tokens; proxies cut the connections made with them.</summary>
    /// <param name="scope">Which tokens.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer.</param>
    [Alias("Revoke"), AlwaysInterleave]
    Task<ChangeOutcome> Revoke(RevokeScope scope, CancellationToken cancellationToken = default);
}

/// <summary>What became of a request to change a backend or a drone.</summary>
[GenerateSerializer, Alias("plane.ChangeOutcome")]
public enum ChangeOutcome
{
    /// <summary>There is no such backend, drone or token holder.</summary>
    NotFound,

    /// <summary>Done now.</summary>
    Changed,

    /// <summary>It was so already.</summary>
    Unchanged,
}

/// <summary>Entries of a backend's history.</summary>
[GenerateSerializer, Immutable, Alias("plane.StatusPage")]
public sealed record StatusPage
{
    /// <summary>False where there is no such backend.</summary>
    [Id(0)]
    public required bool Exists { get; init; }

    /// <summary>The entries, oldest first.</summary>
    [Id(1)]
    public StatusEntry[] Entries { get; init; } = [];
}

/// <summary>Which connection tokens of a backend to revoke: one user's, one token, or all where neither is given.</summary>
[GenerateSerializer, Immutable, Alias("plane.RevokeScope")]
public sealed record RevokeScope
{
    /// <summary>The tokens that this user was given.</summary>
    [Id(0)]
    public string? User { get; init; }

    /// <summary>This one token.</summary>
    [Id(1)]
    public BearerToken? Token { get; init; }

    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    public FieldError? Validate() =>
        FieldError.From("user", User is null ? null : NameRules.TextProblem(User, 0))
        ?? FieldError.From("token", NameRules.NameProblem(Token));
}
