using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>A DNS server's name.</summary>
[Immutable, Alias("plane.DnsServerName")]
[JsonConverter(typeof(NameJsonConverter<DnsServerName>))]
public readonly record struct DnsServerName : IPlaneName<DnsServerName>
{
    private readonly string? _value;

    private DnsServerName(string value) => _value = value;

    /// <inheritdoc/>
    public static string Rule => "a DNS server name begins with ns- and is made of lower-case letters, digits and hyphens, at most 45 characters";

    /// <inheritdoc/>
    public string Value => _value ?? throw new InvalidOperationException("no DNS server name was set");

    /// <summary>A new random name.</summary>
    public static DnsServerName NewRandom() => new(RandomText.Name("ns-"));

    /// <summary>Reads a name that is known to be valid.</summary>
    /// <exception cref="FormatException">The text is not a valid name.</exception>
    public static DnsServerName Parse(string text) => TryParse(text, out var name) ? name : throw new FormatException(Rule);

    /// <inheritdoc/>
    public static bool TryParse(string? text, out DnsServerName name)
    {
        var valid = NameRules.IsComponentName(text, "ns-");
        name = valid ? new DnsServerName(text!) : default;
        return valid;
    }

    /// <inheritdoc/>
    public override string ToString() => _value ?? "";
}
