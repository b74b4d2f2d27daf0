using Orleans;

namespace Plane;

/// <summary>A request for a cluster's challenge lease.</summary>
[GenerateSerializer, Immutable, Alias("plane.ChallengeHold")]
public sealed record ChallengeHold
{
    /// <summary>How long the lease is held unless it is renewed.</summary>
    public static readonly TimeSpan DefaultTime = TimeSpan.FromSeconds(60);

    /// <summary>The longest.</summary>
    public static readonly TimeSpan MaxTime = TimeSpan.FromMinutes(10);

    /// <summary>Who asks: a proxy's name. The same owner renews, also after its own restart.</summary>
    [Id(0)]
    public required string Owner { get; init; }

    /// <summary>For how long from now, by the database's clock. A renewal never shortens.</summary>
    [Id(1)]
    public TimeSpan Time { get; init; } = DefaultTime;

    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    public FieldError? Validate() =>
        FieldError.From("owner", NameRules.TextProblem(Owner, 1))
        ?? (Time > TimeSpan.Zero && Time <= MaxTime ? null : new FieldError("time", $"must be more than 0 and at most {MaxTime.TotalSeconds:0} s"));
}

/// <summary>Who holds a challenge lease.</summary>
[GenerateSerializer, Immutable, Alias("plane.ChallengeLease")]
public sealed record ChallengeLease
{
    /// <summary>The holder.</summary>
    [Id(0)]
    public required string Owner { get; init; }

    /// <summary>How long it is held unless it is renewed: when another may retry.</summary>
    [Id(1)]
    public required TimeSpan ExpiresIn { get; init; }

    /// <summary>Whether this one holds it.</summary>
    /// <param name="owner">Who asks.</param>
    public bool IsHeldBy(string owner) => string.Equals(Owner, owner, StringComparison.Ordinal);
}
