using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>How many backends of a service are kept running without a key.</summary>
[GenerateSerializer, Immutable, Alias("plane.WarmConfig")]
public sealed record WarmConfig
{
    /// <summary>The most of one service.</summary>
    public const int MaxCount = 1_000;

    /// <summary>The path that a claim is posted to where none is given.</summary>
    public const string DefaultClaimPath = "/.plane/claim";

    private const int MaxPath = 256;

    /// <summary>How many, 1 to <see cref="MaxCount"/>, in each cluster.</summary>
    [Id(0)]
    public required int Count { get; init; }

    /// <summary>How old one may become before it is replaced, in seconds, at least 10; without it, it is not replaced for its age.</summary>
    [Id(1)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? MaxAgeSeconds { get; init; }

    /// <summary>The path on the backend's port that its key is posted to; null where it needs no such request.</summary>
    [Id(2)]
    public string? ClaimPath { get; init; } = DefaultClaimPath;

    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    /// <param name="path">Its path in the request.</param>
    public FieldError? Validate(string path) =>
        (Count is < 1 or > MaxCount ? new FieldError($"{path}.count", $"must be from 1 to {MaxCount}") : null)
        ?? (MaxAgeSeconds is < 10 ? new FieldError($"{path}.max_age_seconds", "must be at least 10") : null)
        ?? (ClaimPath is null || (ClaimPath is { Length: > 0 and <= MaxPath } && ClaimPath[0] == '/' && ClaimPath.All(static c => c is > ' ' and <= '~' and not '#'))
            ? null
            : new FieldError($"{path}.claim_path", $"must begin with / and have at most {MaxPath} printable ASCII characters without spaces and #"));
}
