using System.Text;

namespace Plane.Demo.Board;

/// <summary>What a person is called on the board: never empty, never long, nothing in it that could disturb a line of text.</summary>
internal static class PersonName
{
    /// <summary>In Unicode scalar values.</summary>
    public const int MaxLength = 32;

    // What a header cannot hold comes as in RFC 8187.
    private const string Encoded = "UTF-8''";

    /// <summary>The name that the proxy vouches for, or null.</summary>
    public static string? FromHeader(string header) =>
        header.Length == 0 ? null : Clean(header.StartsWith(Encoded, StringComparison.Ordinal) ? Uri.UnescapeDataString(header[Encoded.Length..]) : header);

    /// <summary>The name as it may be shown; <c>Guest</c> if nothing is left of it.</summary>
    public static string Clean(string name)
    {
        var clean = new StringBuilder();
        var length = 0;
        foreach (var rune in name.EnumerateRunes())
        {
            // Format characters too: a right-to-left override would mirror its neighbours.
            var category = Rune.GetUnicodeCategory(rune);
            if (category is System.Globalization.UnicodeCategory.Control or System.Globalization.UnicodeCategory.Format
                or System.Globalization.UnicodeCategory.LineSeparator or System.Globalization.UnicodeCategory.ParagraphSeparator
                || rune == Rune.ReplacementChar)
            {
                continue;
            }

            if (length++ == MaxLength)
            {
                break;
            }

            clean.Append(rune);
        }

        var trimmed = clean.ToString().Trim();
        return trimmed.Length == 0 ? "Guest" : trimmed;
    }
}
