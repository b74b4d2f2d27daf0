namespace Plane.Cli.Operator;

/// <summary>The TXT values that stand for a cluster.</summary>
internal sealed record TxtState
{
    public required ClusterName Cluster { get; init; }

    public required TxtOwner[] Owners { get; init; }
}

/// <summary>One owner's values.</summary>
internal sealed record TxtOwner
{
    public required string Owner { get; init; }

    public required string[] Values { get; init; }

    public required double ExpiresIn { get; init; }
}

/// <summary>One owner's values to set.</summary>
internal sealed record TxtChange
{
    public required string Owner { get; init; }

    public required string[] Values { get; init; }

    public bool Add { get; init; }
}
