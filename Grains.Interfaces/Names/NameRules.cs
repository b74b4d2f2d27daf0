using System.Globalization;
using System.Text;

namespace Plane;

/// <summary>What names and free texts from outside may look like. Every check of a text's form is here.</summary>
public static class NameRules
{
    /// <summary>The longest name of a backend, drone, proxy, controller or DNS server, prefix included.</summary>
    public const int MaxComponentName = 45;

    /// <summary>The longest key name, namespace, tag, pool or user, in Unicode scalar values.</summary>
    public const int MaxText = 255;

    /// <summary>The longest web origin: scheme, host name and port.</summary>
    public const int MaxOrigin = 8 + 253 + 6;

    /// <summary>The longest id that a machine made.</summary>
    public const int MaxId = 64;

    /// <summary>The greatest whole number that JSON holds exactly: the bound of numbers and readings that a drone counts.</summary>
    public const long MaxExact = 1L << 53;

    /// <summary>Whether the text is a component name: lower case, digits, hyphens, at most 45, beginning with the prefix and continuing after it.</summary>
    /// <param name="text">The text.</param>
    /// <param name="prefix">The prefix, or the empty string.</param>
    public static bool IsComponentName(string? text, string prefix) =>
        text is not null
        && text.Length > prefix.Length
        && text.Length <= MaxComponentName
        && text.StartsWith(prefix, StringComparison.Ordinal)
        && text.AsSpan().IndexOfAnyExcept(s_componentCharacters) < 0;

    /// <summary>
    /// What is wrong with a free text (key name, namespace, tag, pool, user), or <see langword="null"/>. Unpaired surrogates are refused because two
    /// different ones become the same bytes in a database.
    /// </summary>
    /// <param name="text">The text.</param>
    /// <param name="minimum">The least number of Unicode scalar values.</param>
    public static string? TextProblem(string? text, int minimum)
    {
        if (text is null)
        {
            return "must be a string";
        }

        // A scalar value is at most two UTF-16 units: a longer text needs no counting.
        if (text.Length > 2 * MaxText)
        {
            return $"must have at most {MaxText} characters";
        }

        var count = 0;
        for (var rest = text.AsSpan(); !rest.IsEmpty; count++)
        {
            if (Rune.DecodeFromUtf16(rest, out var rune, out var used) != System.Buffers.OperationStatus.Done)
            {
                return "must not have unpaired surrogates";
            }

            if (Rune.GetUnicodeCategory(rune) == UnicodeCategory.Control)
            {
                return "must not have control characters";
            }

            rest = rest[used..];
        }

        return count < minimum ? "must not be empty" : count > MaxText ? $"must have at most {MaxText} characters" : null;
    }

    /// <summary>What is wrong with a name that must be set, or <see langword="null"/>. One that is set is valid: nothing else can be made, and over a wire comes nothing else.</summary>
    /// <typeparam name="T">The name's type.</typeparam>
    /// <param name="name">The name.</param>
    public static string? NameProblem<T>(T name)
        where T : struct, IPlaneName<T> => EqualityComparer<T>.Default.Equals(name, default) ? $"is missing or not valid: {T.Rule}" : null;

    /// <summary>What is wrong with a name that may be absent, but not empty, or <see langword="null"/>.</summary>
    /// <typeparam name="T">The name's type.</typeparam>
    /// <param name="name">The name.</param>
    public static string? NameProblem<T>(T? name)
        where T : struct, IPlaneName<T> => name is { } given ? NameProblem(given) : null;

    /// <summary>What is wrong with a value of an enumeration, or <see langword="null"/>: a serialiser lets any number through.</summary>
    /// <typeparam name="T">The enumeration.</typeparam>
    /// <param name="value">The value; none is valid.</param>
    public static string? EnumProblem<T>(T? value)
        where T : struct, Enum => value is null || Enum.IsDefined(value.Value) ? null : "must be a known value";

    /// <summary>What is wrong with an id that a machine made (a drone's instance, a boot), or <see langword="null"/>.</summary>
    /// <param name="id">The id.</param>
    public static string? IdProblem(string? id) =>
        id is { Length: > 0 and <= MaxId } && id.All(static c => c is > ' ' and <= '~')
            ? null
            : $"must have 1 to {MaxId} printable ASCII characters without spaces";

    /// <summary>What is wrong with a reading of a drone's lease clock, or <see langword="null"/>: deadlines are counted from it, and must not overflow.</summary>
    /// <param name="reading">The reading in milliseconds.</param>
    public static string? ReadingProblem(long reading) => reading is < 0 or > MaxExact ? $"must be from 0 to {MaxExact}" : null;

    /// <summary>Whether the text is not valid UTF-16: it could not be stored and read back the same.</summary>
    /// <param name="text">The text.</param>
    public static bool HasUnpairedSurrogate(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty)
        {
            if (Rune.DecodeFromUtf16(text, out _, out var used) != System.Buffers.OperationStatus.Done)
            {
                return true;
            }

            text = text[used..];
        }

        return false;
    }

    /// <summary>What is wrong with a web origin, or <see langword="null"/>: it must be written as browsers write it in <c>Origin</c> (RFC 6454 section 6.2).</summary>
    /// <param name="origin">The origin, as <c>https://app.example.com</c>.</param>
    public static string? OriginProblem(string? origin) =>
        origin is { Length: <= MaxOrigin }
            && Ascii.IsValid(origin)
            && Uri.TryCreate(origin, UriKind.Absolute, out var uri)
            && uri.Scheme is "http" or "https"
            && uri.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped) == origin
            ? null
            : "must be origins as https://app.example.com: scheme, host and a port other than the scheme's own, in lower case, without a path";

    /// <summary>Whether the text is one DNS label made of letters, digits and inner hyphens (RFC 1123 section 2.1), 1 to 63 characters.</summary>
    /// <param name="text">The text.</param>
    public static bool IsDnsLabel(ReadOnlySpan<char> text) =>
        text.Length is >= 1 and <= 63 && text[0] != '-' && text[^1] != '-' && text.IndexOfAnyExcept(s_labelCharacters) < 0;

    private static readonly System.Buffers.SearchValues<char> s_componentCharacters =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-");

    private static readonly System.Buffers.SearchValues<char> s_labelCharacters =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
}
