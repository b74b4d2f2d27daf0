namespace Plane.Cli.Operator;

/// <summary>The list of services.</summary>
internal sealed record ServiceRows
{
    public required ServiceSummary[] Services { get; init; }
}

/// <summary>The address of a key's session.</summary>
internal sealed record ServiceAddress
{
    public required string Url { get; init; }

    public required string Label { get; init; }

    public required KeyConfig Key { get; init; }
}

/// <summary>The signing keys of a service.</summary>
internal sealed record SigningKeyRows
{
    public required SigningKeyInfo[] Keys { get; init; }
}
