using System.Globalization;
using System.Text;

namespace Plane.Hosting.Logging;

/// <summary>Texts from outside as they may appear in a log line.</summary>
public static class LogText
{
    /// <summary>The text with control characters escaped: a name with a line break in it must not be able to forge an entry, nor to move a terminal's cursor.</summary>
    /// <param name="text">The text.</param>
    public static string Escape(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!text.AsSpan().ContainsAnyInRange('\0', '\x1f') && !text.AsSpan().ContainsAnyInRange('\x7f', '\x9f')
            && !text.AsSpan().ContainsAny('\u2028', '\u2029'))
        {
            return text;
        }

        var escaped = new StringBuilder(text.Length + 16);
        foreach (var c in text)
        {
            _ = c switch
            {
                '\n' => escaped.Append("\\n"),
                '\r' => escaped.Append("\\r"),
                '\t' => escaped.Append("\\t"),
                '\u2028' or '\u2029' or (>= '\x7f' and <= '\x9f') or < ' ' => escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => escaped.Append(c),
            };
        }

        return escaped.ToString();
    }

    /// <summary>The text, escaped, and cut to a length.</summary>
    /// <param name="text">The text.</param>
    /// <param name="most">The most characters of it.</param>
    public static string Brief(string text, int most)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Escape(text.Length > most ? text[..most] + "…" : text);
    }
}
