using System.Text;

namespace Plane.Proxy.Routes;

/// <summary>Free text as a header value.</summary>
internal static class HeaderText
{
    /// <summary>
    /// Percent-encodes what a header value can't carry, and the percent sign itself: otherwise the user <c>é</c> and the user <c>%C3%A9</c> would reach the
    /// backend as one. Blanks at the ends, which a parser would trim, are encoded too.
    /// </summary>
    public static string Encode(string text)
    {
        var plain = text.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0
            && !text.Contains('%', StringComparison.Ordinal)
            && !text.StartsWith(' ') && !text.EndsWith(' ');
        if (plain)
        {
            return text;
        }

        var bytes = Encoding.UTF8.GetBytes(text);
        var result = new StringBuilder(bytes.Length * 3);
        for (var i = 0; i < bytes.Length; i++)
        {
            var b = bytes[i];
            var keep = b is > (byte)' ' and <= (byte)'~' and not (byte)'%' || (b == ' ' && i != 0 && i != bytes.Length - 1);
            if (keep)
            {
                result.Append((char)b);
            }
            else
            {
                result.Append('%').Append(b.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
            }
        }

        return result.ToString();
    }
}
