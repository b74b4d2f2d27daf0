using System.ComponentModel;
using System.Globalization;
using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>
/// A cluster: the host name, with an optional port, under which its proxies answer. Kept in lower case, since host names compare without case
/// (RFC 4343). A port other than 443 means plain HTTP there.
/// </summary>
[Immutable, Alias("plane.ClusterName")]
[JsonConverter(typeof(NameJsonConverter<ClusterName>))]
[TypeConverter(typeof(NameTypeConverter<ClusterName>))]
public readonly record struct ClusterName : IPlaneName<ClusterName>
{
    private readonly string? _value;

    private ClusterName(string value) => _value = value;

    /// <inheritdoc/>
    public static string Rule => "a cluster is a host name, with an optional port, such as example.com or localhost:9090";

    /// <inheritdoc/>
    public string Value => _value ?? throw new InvalidOperationException("no cluster name was set");

    /// <summary>The name without its port.</summary>
    public string Host => Value.IndexOf(':', StringComparison.Ordinal) is >= 0 and var colon ? Value[..colon] : Value;

    /// <summary>The port; 443 where the name has none.</summary>
    public int Port =>
        Value.IndexOf(':', StringComparison.Ordinal) is >= 0 and var colon ? int.Parse(Value.AsSpan(colon + 1), CultureInfo.InvariantCulture) : 443;

    /// <summary>Whether the name carries a port: such a cluster has no DNS form.</summary>
    public bool HasPort => Value.Contains(':', StringComparison.Ordinal);

    /// <summary><c>https</c>, or <c>http</c> for a port other than 443.</summary>
    public string Scheme => Port == 443 ? "https" : "http";

    /// <summary>Reads a name that is known to be valid.</summary>
    /// <exception cref="FormatException">The text is not a valid name.</exception>
    public static ClusterName Parse(string text) => TryParse(text, out var name) ? name : throw new FormatException(Rule);

    /// <inheritdoc/>
    public static bool TryParse(string? text, out ClusterName name)
    {
        name = default;
        if (string.IsNullOrEmpty(text) || text.Length > 253 + 6)
        {
            return false;
        }

        var host = text.AsSpan();
        var colon = host.IndexOf(':');
        if (colon >= 0)
        {
            var port = host[(colon + 1)..];
            if (port.Length is 0 or > 5
                || port[0] == '0'
                || !ushort.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out _))
            {
                return false;
            }

            host = host[..colon];
        }

        if (host.Length is 0 or > 253)
        {
            return false;
        }

        foreach (var label in host.Split('.'))
        {
            if (!NameRules.IsDnsLabel(host[label]))
            {
                return false;
            }
        }

        name = new ClusterName(text.ToLowerInvariant());
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => _value ?? "";
}
