using Orleans;

namespace Plane;

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

    /// <summary>Whether the owner's earlier values stay beside these, all for the time of the latest.</summary>
    [Id(2)]
    public bool Add { get; init; }

    /// <summary>What is wrong with them, or <see langword="null"/>.</summary>
    public FieldError? Validate()
    {
        if (FieldError.From("owner", NameRules.TextProblem(Owner, 1)) is { } owner)
        {
            return owner;
        }

        if (Values is null || Values.Length > MaxValues)
        {
            return TooMany;
        }

        for (var i = 0; i < Values.Length; i++)
        {
            if (ValueProblem(Values[i]) is { } problem)
            {
                return new FieldError($"values[{i}]", problem);
            }
        }

        return null;
    }

    /// <summary>The refusal of an owner with too many values.</summary>
    public static FieldError TooMany { get; } = new("values", $"must be at most {MaxValues} of one owner: clear those that are no longer needed");

    private static string? ValueProblem(string? value) =>
        string.IsNullOrEmpty(value) ? "must not be empty"
        : !value.All(static c => c is >= ' ' and <= '~') ? "must have printable ASCII characters only"
        : value.Length > 255
            ? $"has {value.Length} characters, and one string of a TXT record holds 255; an ACME challenge value has 43: set the value that the ACME client shows, not the key authorization or a file's content"
            : null;
}

/// <summary>One owner's values that are set.</summary>
[GenerateSerializer, Immutable, Alias("plane.TxtEntry")]
public sealed record TxtEntry
{
    /// <summary>Who set them.</summary>
    [Id(0)]
    public required string Owner { get; init; }

    /// <summary>The values, sorted.</summary>
    [Id(1)]
    public required string[] Values { get; init; }

    /// <summary>How long they remain valid.</summary>
    [Id(2)]
    public required TimeSpan ExpiresIn { get; init; }
}
