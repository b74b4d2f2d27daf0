using Orleans;

namespace Plane;

/// <summary>What is drawn at random for a connect, once, where the request comes in.</summary>
[GenerateSerializer, Immutable, Alias("plane.DrawnValues")]
public sealed record DrawnValues
{
    /// <summary>The key, where the request names none: then no backend holds it yet, and no holder is looked for first.</summary>
    [Id(0)]
    public KeyConfig? Key { get; init; }

    /// <summary>The name of a backend that is started, unless the request chooses one.</summary>
    [Id(1)]
    public required BackendName BackendId { get; init; }

    /// <summary>The connection token to store, unless the backend uses a static one.</summary>
    [Id(2)]
    public required BearerToken Token { get; init; }

    /// <summary>The secret that goes with the connection token.</summary>
    [Id(3)]
    public required string SecretToken { get; init; }

    /// <summary>The static token of a backend with <see cref="SpawnConfig.UseStaticToken"/>.</summary>
    [Id(4)]
    public BearerToken? StaticToken { get; init; }

    /// <summary>The subdomain of a backend with <see cref="SpawnConfig.Browser"/> whose request names none.</summary>
    [Id(5)]
    public string? Subdomain { get; init; }

    /// <summary>Draws what a request needs.</summary>
    /// <param name="request">The request.</param>
    public static DrawnValues For(ConnectRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return new DrawnValues
        {
            Key = request.Key is null ? KeyConfig.NewRandom() : null,
            BackendId = BackendName.NewRandom(),
            Token = BearerToken.NewRandom(),
            SecretToken = RandomText.Secret(),
            StaticToken = request.SpawnConfig is { UseStaticToken: true } ? BearerToken.NewStatic() : null,
            Subdomain = request.SpawnConfig is { Browser: true, Subdomain: null } ? RandomText.Name("") : null,
        };
    }
}
