using System.ComponentModel;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.RegularExpressions;
using Plane.Hosting.Logging;

namespace Plane.Hosting.Configuration;

/// <summary>
/// What an option is called, and how its value is written. A property <c>GatewayPort</c> is the flag <c>--gateway-port</c> and the variable <c>PLANE__GATEWAY_PORT</c>; one of a
/// nested object, <c>LeaseNumbers.RenewAfter</c>, is <c>--lease-numbers-renew-after</c> and <c>PLANE__LEASE_NUMBERS__RENEW_AFTER</c>.
/// </summary>
public static partial class OptionNames
{
    /// <summary>What the variables begin with.</summary>
    public const string VariablePrefix = "PLANE__";

    /// <summary>The variable that names a file with options.</summary>
    public const string FileVariable = "PLANE_CONFIG";

    private const int LongestValue = 200;

    /// <summary>The flag.</summary>
    /// <param name="path">The properties from the options to the value.</param>
    public static string Flag(IEnumerable<PropertyInfo> path) => "--" + string.Join('-', path.Select(p => JsonNamingPolicy.KebabCaseLower.ConvertName(NameOf(p))));

    /// <summary>The variable.</summary>
    /// <param name="path">The properties from the options to the value.</param>
    public static string Variable(IEnumerable<PropertyInfo> path) =>
        VariablePrefix + string.Join("__", path.Select(p => JsonNamingPolicy.SnakeCaseUpper.ConvertName(NameOf(p))));

    /// <summary>What a property is called in flag, variable and file: <see cref="DisplayNameAttribute"/> names one that is called otherwise there.</summary>
    /// <param name="property">The property.</param>
    public static string NameOf(PropertyInfo property)
    {
        ArgumentNullException.ThrowIfNull(property);
        return property.GetCustomAttribute<DisplayNameAttribute>()?.DisplayName ?? property.Name;
    }

    /// <summary>A value as it would be given: durations with a unit, lists with commas, enumerations in lower case.</summary>
    /// <param name="value">The value.</param>
    public static string Show(object? value) => value switch
    {
        null => "",
        bool b => b ? "true" : "false",
        TimeSpan t => DurationConverter.Show(t),
        Enum e => JsonNamingPolicy.KebabCaseLower.ConvertName(e.ToString()),
        IEnumerable<string> list => string.Join(',', list),
        IFormattable f => f.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    /// <summary>A value for a message: as given, but short, in one line, and without what looks like a secret in it.</summary>
    /// <param name="value">The value.</param>
    public static string Quote(object? value) => $"'{LogText.Brief(Secrets().Replace(Show(value), "…"), LongestValue)}'";

    // The user's part of a URL, and values of parameters that are called so.
    [GeneratedRegex(@"(?<=//)\S*(?=@)|(?<=(?:password|pwd|secret|token)=)[^&;\s]*", RegexOptions.IgnoreCase, matchTimeoutMilliseconds: 1_000)]
    private static partial Regex Secrets();
}
