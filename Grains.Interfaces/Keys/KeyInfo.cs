using Orleans;

namespace Plane;

/// <summary>A key as a connect response tells it: what was asked for, and the number of its acquisition.</summary>
[GenerateSerializer, Immutable, Alias("plane.KeyInfo")]
public sealed record KeyInfo
{
    /// <summary>The key's name.</summary>
    [Id(0)]
    public required string Name { get; init; }

    /// <summary>The key's namespace.</summary>
    [Id(1)]
    public required string Namespace { get; init; }

    /// <summary>The key's tag.</summary>
    [Id(2)]
    public required string Tag { get; init; }

    /// <summary>The fencing token of the acquisition.</summary>
    [Id(3)]
    public required FencingToken FencingToken { get; init; }
}
