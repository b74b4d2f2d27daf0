using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>
/// A service's name. It is the last part of the first host label of the service's URLs (<see cref="ServiceLabel"/>), behind <c>--</c>, so it has no <c>--</c> itself; and the
/// first part of the namespaces that the service owns (<see cref="ServiceKeys"/>).
/// </summary>
[Immutable, Alias("plane.ServiceName")]
[JsonConverter(typeof(NameJsonConverter<ServiceName>))]
public readonly record struct ServiceName : IPlaneName<ServiceName>
{
    /// <summary>The longest name.</summary>
    public const int MaxLength = 30;

    private readonly string? _value;

    private ServiceName(string value) => _value = value;

    /// <inheritdoc/>
    public static string Rule => "a service name begins with a letter and is made of lower-case letters, digits and single inner hyphens, at most 30 characters";

    /// <inheritdoc/>
    public string Value => _value ?? throw new InvalidOperationException("no service name was set");

    /// <summary>Reads a name that is known to be valid.</summary>
    /// <exception cref="FormatException">The text is not a valid name.</exception>
    public static ServiceName Parse(string text) => TryParse(text, out var name) ? name : throw new FormatException(Rule);

    /// <inheritdoc/>
    public static bool TryParse(string? text, out ServiceName name)
    {
        var valid = text is { Length: <= MaxLength }
            && NameRules.IsComponentName(text, "")
            && char.IsAsciiLetterLower(text[0])
            && text[^1] != '-'
            && !text.Contains("--", StringComparison.Ordinal);
        name = valid ? new ServiceName(text!) : default;
        return valid;
    }

    /// <inheritdoc/>
    public override string ToString() => _value ?? "";
}
