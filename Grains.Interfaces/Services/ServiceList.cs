namespace Plane;

/// <summary>All services.</summary>
public sealed record ServiceList
{
    /// <summary>By name.</summary>
    public required ServiceSummary[] Services { get; init; }
}

/// <summary>The address of a key's session.</summary>
public sealed record ServiceUrl
{
    /// <summary>The address.</summary>
    public required string Url { get; init; }

    /// <summary>The key's label in it.</summary>
    public required string Label { get; init; }

    /// <summary>The key that is held while a backend runs.</summary>
    public required KeyConfig Key { get; init; }
}

/// <summary>The signing keys of a service.</summary>
public sealed record SigningKeyList
{
    /// <summary>By kid.</summary>
    public required SigningKeyInfo[] Keys { get; init; }
}
