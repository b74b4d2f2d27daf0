using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>A session backend's name (its <c>backend_id</c>).</summary>
[Immutable, Alias("plane.BackendName")]
[JsonConverter(typeof(NameJsonConverter<BackendName>))]
public readonly record struct BackendName : IPlaneName<BackendName>
{
    private readonly string? _value;

    private BackendName(string value) => _value = value;

    /// <inheritdoc/>
    public static string Rule => "a backend id is made of lower-case letters, digits and hyphens, at most 45 characters";

    /// <inheritdoc/>
    public string Value => _value ?? throw new InvalidOperationException("no backend name was set");

    /// <summary>A new random name.</summary>
    public static BackendName NewRandom() => new(RandomText.Name(""));

    /// <summary>Reads a name that is known to be valid.</summary>
    /// <exception cref="FormatException">The text is not a valid name.</exception>
    public static BackendName Parse(string text) => TryParse(text, out var name) ? name : throw new FormatException(Rule);

    /// <inheritdoc/>
    public static bool TryParse(string? text, out BackendName name)
    {
        var valid = NameRules.IsComponentName(text, "");
        name = valid ? new BackendName(text!) : default;
        return valid;
    }

    /// <inheritdoc/>
    public override string ToString() => _value ?? "";
}
