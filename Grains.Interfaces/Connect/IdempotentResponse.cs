using Orleans;

namespace Plane;

/// <summary>What the first of several equal requests was answered with, beside the holder.</summary>
[GenerateSerializer, Immutable, Alias("plane.EarlierAnswer")]
public sealed record IdempotentResponse
{
    /// <summary>The key: a random one where the request named none.</summary>
    [Id(0)]
    public required KeyConfig Key { get; init; }

    /// <summary>The connection token.</summary>
    [Id(1)]
    public required BearerToken Token { get; init; }

    /// <summary>The secret that goes with it.</summary>
    [Id(2)]
    public required string SecretToken { get; init; }
}
