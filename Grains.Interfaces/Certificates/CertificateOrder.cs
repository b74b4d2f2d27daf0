using Orleans;

namespace Plane;

/// <summary>An order at a certification authority that is to be counted.</summary>
[GenerateSerializer, Immutable, Alias("plane.CertificateOrder")]
public sealed record CertificateOrder
{
    /// <summary>The longest window: that of the authorities' published limits.</summary>
    public static readonly TimeSpan MaxWindow = TimeSpan.FromDays(7);

    /// <summary>A random text of the asker's, so that a repeated call counts once.</summary>
    [Id(0)]
    public required string Id { get; init; }

    /// <summary>Who orders: a proxy's name.</summary>
    [Id(1)]
    public required string Owner { get; init; }

    /// <summary>The authority: the address of its directory. Each has limits of its own.</summary>
    [Id(2)]
    public required string Authority { get; init; }

    /// <summary>The most orders of the cluster at the authority within the window, over all proxies; 5 is what Let's Encrypt publishes for the same names.</summary>
    [Id(3)]
    public int Limit { get; init; } = 5;

    /// <summary>The time over which they are counted.</summary>
    [Id(4)]
    public TimeSpan Window { get; init; } = MaxWindow;

    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    public FieldError? Validate() =>
        FieldError.From("id", NameRules.TextProblem(Id, 1))
        ?? FieldError.From("owner", NameRules.TextProblem(Owner, 1))
        ?? FieldError.From("authority", NameRules.TextProblem(Authority, 1))
        ?? (Limit is >= 1 and <= 1_000_000 ? null : new FieldError("limit", "must be from 1 to 1000000"))
        ?? (Window > TimeSpan.Zero && Window <= MaxWindow ? null : new FieldError("window", "must be more than 0 and at most 7 days"));
}

/// <summary>Whether an order may be made.</summary>
[GenerateSerializer, Immutable, Alias("plane.OrderAllowance")]
public sealed record OrderQuota
{
    /// <summary>Whether it was counted and may be made.</summary>
    [Id(0)]
    public required bool IsAllowed { get; init; }

    /// <summary>How many are counted within the window, this one included where it is allowed.</summary>
    [Id(1)]
    public required int Counted { get; init; }

    /// <summary>Where it is not allowed: when the oldest counted leaves the window.</summary>
    [Id(2)]
    public TimeSpan Wait { get; init; }
}
