namespace Plane.Storage;

/// <summary>A connect as connectors and stores work on it: which key, which backend would be started and how. Made of a checked command, or by the controller itself.</summary>
public sealed record ResolvedConnect
{
    /// <summary>The key that is held: of a service, <see cref="ServiceKeys.Within"/> it.</summary>
    public required KeyConfig Key { get; init; }

    /// <summary>Whether the key was drawn with this connect: no backend holds it yet, and no holder is looked for first. A claim that is wrong costs a statement.</summary>
    public bool KeyIsDrawn { get; init; }

    /// <summary>The name that a backend started by this connect gets.</summary>
    public required BackendName BackendId { get; init; }

    /// <summary>Whether the application chose that name: then a used one is an error.</summary>
    public bool BackendIdIsChosen { get; init; }

    /// <summary>How to start one; null to connect only.</summary>
    public SpawnConfig? Spawn { get; init; }

    /// <summary>The cluster to start it in; null where neither request nor controller names one.</summary>
    public ClusterName? Cluster { get; init; }

    /// <summary>Who connects.</summary>
    public string? User { get; init; }

    /// <summary>The JSON object for the backend.</summary>
    public JsonText? Auth { get; init; }

    /// <summary>The connection token to store, unless the backend uses a static one.</summary>
    public required BearerToken Token { get; init; }

    /// <summary>The secret that goes with the connection token.</summary>
    public required string SecretToken { get; init; }

    /// <summary>The static token of a backend started by this connect with <see cref="SpawnConfig.UseStaticToken"/>.</summary>
    public BearerToken? StaticToken { get; init; }

    /// <summary>Which request this is, where its caller gave it an id: then it is answered once, and repeats get that answer.</summary>
    public RequestIdentity? Request { get; init; }

    /// <summary>Whether a holder that is ending is not a final answer (<see cref="ConnectCommand.WaitsForEnd"/>).</summary>
    public bool WaitsForEnd { get; init; }

    /// <summary>The service that is connected by.</summary>
    public ServiceName? Service { get; init; }

    /// <summary>The version of the service that <see cref="Spawn"/> is of.</summary>
    public long? ServiceVersion { get; init; }

    /// <summary>How the service's warm backends are claimed, where it keeps any. Set with <see cref="ServiceVersion"/>.</summary>
    public WarmConfig? Warm { get; init; }

    /// <summary>Resolves a command. Of a service, the key is still its own, and the spawn config is not known.</summary>
    /// <param name="command">The command, of a request that was checked or checked itself (<see cref="ConnectRules"/>).</param>
    public static ResolvedConnect Of(ConnectCommand command)
    {
        ArgumentNullException.ThrowIfNull(command);
        var (request, drawn) = (command.Request, command.Drawn);
        var spawn = request.SpawnConfig;
        return new ResolvedConnect
        {
            Key = command.Key,
            KeyIsDrawn = request.Key is null,
            BackendId = spawn?.Id ?? drawn.BackendId,
            BackendIdIsChosen = spawn?.Id is not null,
            Spawn = spawn is { Browser: true, Subdomain: null } ? spawn with { Subdomain = drawn.Subdomain } : spawn,
            Cluster = command.Cluster,
            User = request.User,
            Auth = request.Auth is { Text: not "null" } auth ? auth : null,
            Token = drawn.Token,
            SecretToken = drawn.SecretToken,
            StaticToken = drawn.StaticToken,
            Request = RequestIdentity.Of(request),
            WaitsForEnd = command.WaitsForEnd,
            Service = request.Service,
        };
    }
}
