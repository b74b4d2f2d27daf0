namespace Plane;

/// <summary>One owner's values to set.</summary>
public sealed record TxtRequest
{
    /// <summary>Whose they are; the same owner's earlier ones are replaced.</summary>
    public string Owner { get; init; } = "operator";

    /// <summary>The values; none clears them.</summary>
    public required string[] Values { get; init; }

    /// <summary>Whether the earlier ones stay beside these.</summary>
    public bool Add { get; init; }
}

/// <summary>The TXT values that are set for a cluster.</summary>
public sealed record TxtResponse
{
    /// <summary>The cluster.</summary>
    public required ClusterName Cluster { get; init; }

    /// <summary>By owner.</summary>
    public required TxtOwner[] Owners { get; init; }
}

/// <summary>One owner's values.</summary>
public sealed record TxtOwner
{
    /// <summary>Who set them.</summary>
    public required string Owner { get; init; }

    /// <summary>The values.</summary>
    public required string[] Values { get; init; }

    /// <summary>In how many seconds they expire.</summary>
    public required double ExpiresIn { get; init; }
}
