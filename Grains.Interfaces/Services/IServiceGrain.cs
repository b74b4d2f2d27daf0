using Orleans;
using Orleans.Concurrency;

namespace Plane;

/// <summary>
/// What proxies and applications ask about services, keyed by <see cref="GrainKeys.Service"/>. Keeps nothing, so any controller answers for every service.
/// </summary>
[Alias("plane.IServiceGrain")]
public interface IServiceGrain : IReachable
{
    /// <summary>What a proxy needs to let visitors in; null where there is no such service in the cluster. Good until a <see cref="ChangeKind.Service"/> of that name after <see cref="ServiceAccessInfo.ReadAt"/>.</summary>
    /// <param name="service">The service.</param>
    /// <param name="cluster">The proxy's cluster: a service whose spawn config names another one is not known in it.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    [Alias("ReadAccess"), AlwaysInterleave]
    Task<ServiceAccessInfo?> ReadAccess(ServiceName service, ClusterName cluster, CancellationToken cancellationToken = default);

    /// <summary>
    /// Gives a proxy a connection token for the live backend of a key, or starts one. For a proxy that has let a visitor in already. Safe to repeat with the same command. The token has
    /// neither user nor auth: each visitor's own are the proxy's to add.
    /// </summary>
    /// <param name="command">The command.</param>
    /// <param name="cancellationToken">Gives up waiting; what was committed stays.</param>
    [Alias("Enter"), AlwaysInterleave]
    Task<EnterReply> Enter(EnterCommand command, CancellationToken cancellationToken = default);

    /// <summary>
    /// Connects to a key of a service, as <see cref="IKeyGrain.Connect"/> does to any key: for applications that are cluster clients. Safe to repeat with the same command.
    /// </summary>
    /// <param name="command">
    /// The command, with <see cref="ConnectRequest.Service"/>, without a spawn config. A cluster in it is where to start a backend, unless the service's spawn config names another one.
    /// </param>
    /// <param name="cancellationToken">Gives up waiting for the answer; what was committed stays.</param>
    [Alias("Connect"), AlwaysInterleave]
    Task<ConnectResult> Connect(ConnectCommand command, CancellationToken cancellationToken = default);
}

/// <summary>What a proxy needs to let visitors into a service.</summary>
[GenerateSerializer, Immutable, Alias("plane.ServiceAccessInfo")]
public sealed record ServiceAccessInfo
{
    /// <summary>The service.</summary>
    [Id(0)]
    public required ServiceName Name { get; init; }

    /// <summary>Its version. Signing keys may change without it.</summary>
    [Id(1)]
    public required long Version { get; init; }

    /// <summary>Who may enter.</summary>
    [Id(2)]
    public required ServiceAccess Access { get; init; }

    /// <summary>The keys that tokens are signed with; also where the access is not <see cref="ServiceAccessKind.Signed"/>.</summary>
    [Id(3)]
    public SigningKey[] SigningKeys { get; init; } = [];

    /// <summary>The origins whose pages may use its sessions with credentials.</summary>
    [Id(4)]
    public string[] AllowedOrigins { get; init; } = [];

    /// <summary>Whether pages of other sites may show its sessions in a frame.</summary>
    [Id(5)]
    public bool Embed { get; init; }

    /// <summary>The place in the change log at which it was read: every change before it is in the answer.</summary>
    [Id(6)]
    public required LogPosition ReadAt { get; init; }
}

/// <summary>A proxy's wish for a backend that answers for a label of a service. What is random was drawn by the proxy, so that a repeat is the same.</summary>
[GenerateSerializer, Immutable, Alias("plane.EnterCommand")]
public sealed record EnterCommand
{
    /// <summary>The service.</summary>
    [Id(0)]
    public required ServiceName Service { get; init; }

    /// <summary>The proxy's cluster: where a backend is started.</summary>
    [Id(1)]
    public required ClusterName Cluster { get; init; }

    /// <summary>The label in the host name (<see cref="ServiceLabel"/>).</summary>
    [Id(2)]
    public required string Label { get; init; }

    /// <summary>The key, where a visitor's signed token names it, as the service's callers name it, without a tag. Its label is <see cref="Label"/>.</summary>
    [Id(3)]
    public KeyConfig? Key { get; init; }

    /// <summary>The connection token to store.</summary>
    [Id(4)]
    public required BearerToken Token { get; init; }

    /// <summary>The secret that goes with it.</summary>
    [Id(5)]
    public required string SecretToken { get; init; }

    /// <summary>The name of a backend that is started.</summary>
    [Id(6)]
    public required BackendName BackendId { get; init; }

    /// <summary>The visitor's network, as <c>203.0.113.0/24</c> or <c>2001:db8:1::/48</c>, 1 to 64 printable characters: starts from one are bounded.</summary>
    [Id(7)]
    public required string ClientNetwork { get; init; }

    /// <summary>
    /// Which keys the visitor's signed token opens, where the label is a hash and the token does not name its key in full: a key that is not among them is not entered. Null where every visitor
    /// may enter.
    /// </summary>
    [Id(8)]
    public KeyScope? Scope { get; init; }

    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    public FieldError? Validate() =>
        FieldError.From("service", NameRules.NameProblem(Service))
        ?? FieldError.From("cluster", NameRules.NameProblem(Cluster))
        ?? (Label is not null && ServiceLabel.IsLabel(Service, Label) ? null : new FieldError("label", "must be a label of a key"))
        ?? (Key is { } key
            ? ServiceKeys.Validate(Service, key, "key")
                ?? (key.Tag.Length == 0 ? null : new FieldError("key.tag", "must not be given"))
                ?? (ServiceLabel.Of(Service, key) == Label ? null : new FieldError("key", "must be the key of the label"))
            : null)
        ?? Scope?.Validate("scope")
        ?? (Token == default || Token.IsStatic ? new FieldError("token", "must be a random token of one connection") : null)
        ?? ConnectRules.ValidateSecret(SecretToken)
        ?? FieldError.From("backend_id", NameRules.NameProblem(BackendId))
        ?? FieldError.From("client_network", NameRules.IdProblem(ClientNetwork));
}

/// <summary>What became of an <see cref="EnterCommand"/>.</summary>
[GenerateSerializer, Alias("plane.EnterOutcome")]
public enum EnterOutcome
{
    /// <summary>The token leads to the holder, which may still be starting.</summary>
    Entered = 0,

    /// <summary>There is no such service in the cluster.</summary>
    NoSuchService = 1,

    /// <summary>No key with this label is known: the label is a hash that no caller asked a URL for.</summary>
    NoSuchLabel = 2,

    /// <summary>There is no backend, and none is started: <see cref="EnterReply.Refusal"/> says why.</summary>
    Refused = 3,

    /// <summary>The key of the label is not one of <see cref="EnterCommand.Scope"/>: it was neither entered nor started.</summary>
    OutOfScope = 4,
}

/// <summary>The answer to an <see cref="EnterCommand"/>.</summary>
[GenerateSerializer, Immutable, Alias("plane.EnterReply")]
public sealed record EnterReply
{
    /// <summary>What became of it.</summary>
    [Id(0)]
    public required EnterOutcome Outcome { get; init; }

    /// <summary>The holder, where entered. Its cluster is the command's.</summary>
    [Id(1)]
    public HolderInfo? Holder { get; init; }

    /// <summary>The key as the service's callers name it, where it is known: what a signed token has to allow.</summary>
    [Id(2)]
    public KeyConfig? Key { get; init; }

    /// <summary>Why not.</summary>
    [Id(3)]
    public ErrorKind? Refusal { get; init; }

    /// <summary>Why not, in words that a visitor may read: nothing of the backend's output is in them.</summary>
    [Id(4)]
    public string? Message { get; init; }

    /// <summary>When a retry may succeed, or null where the refusal does not say.</summary>
    [Id(5)]
    public TimeSpan? RetryAfter { get; init; }
}
