using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>A proxy's name.</summary>
[Immutable, Alias("plane.ProxyName")]
[JsonConverter(typeof(NameJsonConverter<ProxyName>))]
public readonly record struct ProxyName : IPlaneName<ProxyName>
{
    private readonly string? _value;

    private ProxyName(string value) => _value = value;

    /// <inheritdoc/>
    public static string Rule => "a proxy name begins with px- and is made of lower-case letters, digits and hyphens, at most 45 characters";

    /// <inheritdoc/>
    public string Value => _value ?? throw new InvalidOperationException("no proxy name was set");

    /// <summary>A new random name.</summary>
    public static ProxyName NewRandom() => new(RandomText.Name("px-"));

    /// <summary>Reads a name that is known to be valid.</summary>
    /// <exception cref="FormatException">The text is not a valid name.</exception>
    public static ProxyName Parse(string text) => TryParse(text, out var name) ? name : throw new FormatException(Rule);

    /// <inheritdoc/>
    public static bool TryParse(string? text, out ProxyName name)
    {
        var valid = NameRules.IsComponentName(text, "px-");
        name = valid ? new ProxyName(text!) : default;
        return valid;
    }

    /// <inheritdoc/>
    public override string ToString() => _value ?? "";
}
