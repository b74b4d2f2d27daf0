using Orleans;
using Orleans.Concurrency;

namespace Plane;

/// <summary>
/// The clusters' ACME challenge values, keyed by a shard of the cluster's hash (<see cref="GrainKeys.Certificate"/>): questions come from anywhere, and
/// invented clusters must not make grains.
/// </summary>
[Alias("plane.ICertificateGrain")]
public interface ICertificateGrain : IGrainWithStringKey
{
    /// <summary>Every value that stands and has not expired: the union over all owners, sorted, none twice; at most a second old.</summary>
    /// <param name="cluster">Whose values.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer.</param>
    [Alias("ReadTxt"), AlwaysInterleave]
    Task<string[]> ReadTxt(ClusterName cluster, CancellationToken cancellationToken = default);

    /// <summary>Sets one owner's values in place of its earlier ones. They expire after 10 minutes.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="values">The owner and its values.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer.</param>
    /// <returns>What is wrong with the values, or null.</returns>
    [Alias("SetTxt"), AlwaysInterleave]
    Task<FieldError?> SetTxt(ClusterName cluster, TxtValues values, CancellationToken cancellationToken = default);
}

/// <summary>One owner's TXT values; none clears them.</summary>
[GenerateSerializer, Immutable, Alias("plane.TxtValues")]
public sealed record TxtValues
{
    /// <summary>The most values of one owner.</summary>
    public const int MaxValues = 16;

    /// <summary>Who sets them: a proxy's name, or <c>operator</c>.</summary>
    [Id(0)]
    public required string Owner { get; init; }

    /// <summary>The values, each 1 to 255 bytes of printable ASCII (one character-string, RFC 1035 section 3.3.14).</summary>
    [Id(1)]
    public string[] Values { get; init; } = [];

    /// <summary>What is wrong with them, or <see langword="null"/>.</summary>
    public FieldError? Validate() =>
        FieldError.From("owner", NameRules.TextProblem(Owner, 1))
        ?? (Values.Length > MaxValues ? new FieldError("values", $"must be at most {MaxValues}") : null)
        ?? (Values.All(v => v is { Length: >= 1 and <= 255 } && v.All(c => c is >= ' ' and <= '~'))
            ? null
            : new FieldError("values", "must each have 1 to 255 printable ASCII characters"));
}
