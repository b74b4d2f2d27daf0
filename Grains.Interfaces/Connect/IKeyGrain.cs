using Orleans;
using Orleans.Concurrency;

namespace Plane;

/// <summary>
/// One key, keyed by <see cref="KeyConfig.GrainKey"/>: connects to its holder, or acquires it. Its holder's lease is renewed in batches (<see cref="ILeaseGrain"/>), and released
/// by the holder's last state (<see cref="IDroneGrain.ReportStates"/>) or its expiry.
/// </summary>
[Alias("plane.IKeyGrain")]
public interface IKeyGrain : IGrainWithStringKey
{
    /// <summary>Gives a token for the live holder, or acquires the key and schedules a backend. Safe to repeat with the same command.</summary>
    /// <param name="command">The request, completed at the edge.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer; what was committed stays.</param>
    [Alias("Connect"), AlwaysInterleave]
    Task<ConnectResult> Connect(ConnectCommand command, CancellationToken cancellationToken = default);
}

/// <summary>A connect request as it goes to the key's grain: validated, with everything random already drawn, so that a repeat is the same request.</summary>
[GenerateSerializer, Immutable, Alias("plane.ConnectCommand")]
public sealed record ConnectCommand
{
    /// <summary>The key.</summary>
    [Id(0)]
    public required KeyConfig Key { get; init; }

    /// <summary>The name that a backend started by this command gets.</summary>
    [Id(1)]
    public required BackendName BackendId { get; init; }

    /// <summary>Whether the application chose that name: then a used one is an error.</summary>
    [Id(2)]
    public bool BackendIdIsChosen { get; init; }

    /// <summary>How to start one; null to connect only.</summary>
    [Id(3)]
    public SpawnConfig? Spawn { get; init; }

    /// <summary>The cluster to start it in; null where neither request nor controller names one.</summary>
    [Id(4)]
    public ClusterName? Cluster { get; init; }

    /// <summary>Who connects.</summary>
    [Id(5)]
    public string? User { get; init; }

    /// <summary>The JSON object for the backend.</summary>
    [Id(6)]
    public JsonText? Auth { get; init; }

    /// <summary>The connection token to store, unless the backend uses a static one.</summary>
    [Id(7)]
    public required BearerToken Token { get; init; }

    /// <summary>The static token of a backend started by this command with <see cref="SpawnConfig.UseStaticToken"/>.</summary>
    [Id(8)]
    public BearerToken? StaticToken { get; init; }

    /// <summary>The secret that goes with the connection token.</summary>
    [Id(9)]
    public required string SecretToken { get; init; }

    /// <summary>Which request this is, where its caller gave it an id: then it is answered once, and repeats get that answer.</summary>
    [Id(10)]
    public RequestIdentity? Request { get; init; }

    /// <summary>Whether a holder that is ending is no final answer, since its end is waited for: it is then not kept for repeats.</summary>
    [Id(11)]
    public bool WaitsForEnd { get; init; }

    /// <summary>Whether the key was drawn with this command: then nothing holds it yet, and no holder is looked for first. A claim that is wrong costs a statement.</summary>
    [Id(12)]
    public bool KeyIsDrawn { get; init; }

    /// <summary>
    /// The service to connect by. As long as <see cref="ServiceVersion"/> is not set, the key is the service's own (<see cref="ServiceKeys.Within"/> was not applied) and the spawn config is
    /// not known: such a command goes to <see cref="IServiceGrain.Connect"/>.
    /// </summary>
    [Id(13)]
    public ServiceName? Service { get; init; }

    /// <summary>The version of the service that the spawn config is of. Set by a controller; a command that comes from outside with it is refused.</summary>
    [Id(14)]
    public long? ServiceVersion { get; init; }

    /// <summary>How the service's warm backends are claimed, where it keeps any. Set with <see cref="ServiceVersion"/>.</summary>
    [Id(15)]
    public WarmConfig? Warm { get; init; }

    /// <summary>
    /// Completes a request: draws the backend's name, a key where none was given, and the tokens, so that a call whose outcome is unknown can be repeated as the
    /// same request.
    /// </summary>
    /// <param name="request">The request, checked by <see cref="ConnectRules.Validate(ConnectRequest)"/>.</param>
    /// <param name="cluster">Where to start a backend; null where neither the request nor the controller names a cluster.</param>
    public static ConnectCommand For(ConnectRequest request, ClusterName? cluster) => new()
    {
        Key = request.Key ?? KeyConfig.NewRandom(),
        KeyIsDrawn = request.Key is null,
        BackendId = request.SpawnConfig?.Id ?? BackendName.NewRandom(),
        BackendIdIsChosen = request.SpawnConfig?.Id is not null,
        Spawn = request.SpawnConfig is { Browser: true, Subdomain: null } spawn ? spawn with { Subdomain = RandomText.Name("") } : request.SpawnConfig,
        Cluster = cluster,
        User = request.User,
        Auth = request.Auth is { Text: not "null" } auth ? auth : null,
        Token = BearerToken.NewRandom(),
        StaticToken = request.SpawnConfig is { UseStaticToken: true } ? BearerToken.NewStatic() : null,
        SecretToken = RandomText.Secret(),
        Request = RequestIdentity.Of(request),
        Service = request.Service,
    };

    /// <summary>The command that a result answers: this one, or where it repeats an earlier request, with that one's key and tokens.</summary>
    /// <param name="result">What this command was answered with.</param>
    public ConnectCommand AnsweredBy(ConnectResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        return result.Earlier is { } earlier ? this with { Key = earlier.Key, Token = earlier.Token, SecretToken = earlier.SecretToken } : this;
    }

    /// <summary>The URL that this command's caller reaches the holder by: <c>https://[subdomain.]cluster/token/</c>. It holds the token.</summary>
    /// <param name="holder">The holder that the command was answered with.</param>
    public string UrlOf(HolderInfo holder)
    {
        var subdomain = holder.Subdomain is { } s ? s + "." : "";
        return $"{holder.Cluster.Scheme}://{subdomain}{holder.Cluster}/{(holder.StaticToken ?? Token).Value}/";
    }

    /// <summary>The URL that a browser enters the session by, or null (<see cref="ConnectResponse.BrowserUrl"/>). It holds the token.</summary>
    /// <param name="holder">The holder that the command was answered with.</param>
    public string? BrowserUrlOf(HolderInfo holder) => holder is { Subdomain: { } subdomain, StaticToken: null }
        ? $"{holder.Cluster.Scheme}://{subdomain}.{holder.Cluster}/.plane/enter?token={Token.Value}&to=/"
        : null;
}

/// <summary>The holder of a key.</summary>
[GenerateSerializer, Immutable, Alias("plane.HolderInfo")]
public sealed record HolderInfo
{
    /// <summary>The backend and its fencing token.</summary>
    [Id(0)]
    public required BackendIdentity Identity { get; init; }

    /// <summary>The tag it was acquired with.</summary>
    [Id(1)]
    public required string Tag { get; init; }

    /// <summary>Its cluster.</summary>
    [Id(2)]
    public required ClusterName Cluster { get; init; }

    /// <summary>Its drone.</summary>
    [Id(3)]
    public required DroneName Drone { get; init; }

    /// <summary>Where it stands.</summary>
    [Id(4)]
    public required BackendStatus Status { get; init; }

    /// <summary>The subdomain it answers under.</summary>
    [Id(5)]
    public string? Subdomain { get; init; }

    /// <summary>Its static token, where it uses one.</summary>
    [Id(6)]
    public BearerToken? StaticToken { get; init; }
}

/// <summary>What became of a <see cref="ConnectCommand"/>: a holder, or a refusal.</summary>
[GenerateSerializer, Immutable, Alias("plane.ConnectResult")]
public sealed record ConnectResult
{
    /// <summary>The holder, where connected.</summary>
    [Id(0)]
    public HolderInfo? Holder { get; init; }

    /// <summary>Whether this command started it.</summary>
    [Id(1)]
    public bool Spawned { get; init; }

    /// <summary>Why not.</summary>
    [Id(2)]
    public ErrorKind? Refusal { get; init; }

    /// <summary>Why not, in words.</summary>
    [Id(3)]
    public string? Message { get; init; }

    /// <summary>Where the command repeats an earlier request: what else that was answered with.</summary>
    [Id(4)]
    public EarlierAnswer? Earlier { get; init; }

    /// <summary>When to ask again, where a refusal knows it.</summary>
    [Id(5)]
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>The last lines of the backend whose failure is why; for operators, never for visitors.</summary>
    [Id(6)]
    public string? OutputTail { get; init; }

    /// <summary>A refusal.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="message">In words.</param>
    public static ConnectResult Refused(ErrorKind kind, string message) => new() { Refusal = kind, Message = message };
}
