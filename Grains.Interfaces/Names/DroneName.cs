using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>A drone's name, unique within its cluster.</summary>
[Immutable, Alias("plane.DroneName")]
[JsonConverter(typeof(NameJsonConverter<DroneName>))]
public readonly record struct DroneName : IPlaneName<DroneName>
{
    private readonly string? _value;

    private DroneName(string value) => _value = value;

    /// <inheritdoc/>
    public static string Rule => "a drone name begins with dr- and is made of lower-case letters, digits and hyphens, at most 45 characters";

    /// <inheritdoc/>
    public string Value => _value ?? throw new InvalidOperationException("no drone name was set");

    /// <summary>A new random name.</summary>
    public static DroneName NewRandom() => new(RandomText.Name("dr-"));

    /// <summary>Reads a name that is known to be valid.</summary>
    /// <exception cref="FormatException">The text is not a valid name.</exception>
    public static DroneName Parse(string text) => TryParse(text, out var name) ? name : throw new FormatException(Rule);

    /// <inheritdoc/>
    public static bool TryParse(string? text, out DroneName name)
    {
        var valid = NameRules.IsComponentName(text, "dr-");
        name = valid ? new DroneName(text!) : default;
        return valid;
    }

    /// <inheritdoc/>
    public override string ToString() => _value ?? "";
}
