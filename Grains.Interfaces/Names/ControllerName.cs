using System.ComponentModel;
using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>A controller's name: one silo.</summary>
[Immutable, Alias("plane.ControllerName")]
[JsonConverter(typeof(NameJsonConverter<ControllerName>))]
[TypeConverter(typeof(NameTypeConverter<ControllerName>))]
public readonly record struct ControllerName : IPlaneName<ControllerName>
{
    private readonly string? _value;

    private ControllerName(string value) => _value = value;

    /// <inheritdoc/>
    public static string Rule => "a controller name begins with co- and is made of lower-case letters, digits and hyphens, at most 45 characters";

    /// <inheritdoc/>
    public string Value => _value ?? throw new InvalidOperationException("no controller name was set");

    /// <summary>A new random name.</summary>
    public static ControllerName NewRandom() => new(RandomText.Name("co-"));

    /// <summary>Reads a name that is known to be valid.</summary>
    /// <exception cref="FormatException">The text is not a valid name.</exception>
    public static ControllerName Parse(string text) => TryParse(text, out var name) ? name : throw new FormatException(Rule);

    /// <inheritdoc/>
    public static bool TryParse(string? text, out ControllerName name)
    {
        var valid = NameRules.IsComponentName(text, "co-");
        name = valid ? new ControllerName(text!) : default;
        return valid;
    }

    /// <inheritdoc/>
    public override string ToString() => _value ?? "";
}
