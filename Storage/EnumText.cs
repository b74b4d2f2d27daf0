using System.Collections.Frozen;
using System.Text.RegularExpressions;

namespace Plane.Storage;

/// <summary>The names that values of an enumeration have in the database: <c>hard_terminating</c>.</summary>
internal static partial class EnumText
{
    /// <summary>A value's name.</summary>
    public static string Name<T>(this T value)
        where T : struct, Enum => Names<T>.Of[value];

    /// <summary>The names of values, in their order.</summary>
    public static string?[] NamesOf<T>(IEnumerable<T?> values)
        where T : struct, Enum => [.. values.Select(v => v is { } value ? Names<T>.Of[value] : null)];

    /// <summary>The value of a name.</summary>
    /// <exception cref="FormatException">There is none.</exception>
    public static T Parse<T>(string name)
        where T : struct, Enum => Names<T>.Values.TryGetValue(name, out var value) ? value : throw new FormatException($"'{name}' is not a {typeof(T).Name}");

    /// <summary>The value of a name, or none.</summary>
    /// <exception cref="FormatException">There is none of that name.</exception>
    public static T? ParseOrNull<T>(string? name)
        where T : struct, Enum => name is null ? null : Parse<T>(name);

    [GeneratedRegex("(?<=[a-z])(?=[A-Z])")]
    private static partial Regex WordBorder();

    private static class Names<T>
        where T : struct, Enum
    {
        public static readonly FrozenDictionary<T, string> Of =
            Enum.GetValues<T>().ToFrozenDictionary(v => v, v => WordBorder().Replace(v.ToString(), "_").ToLowerInvariant());

        public static readonly FrozenDictionary<string, T> Values = Of.ToFrozenDictionary(n => n.Value, n => n.Key);
    }
}
