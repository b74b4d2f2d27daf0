namespace Plane.ProxyHost.Routes;

/// <summary>Free text as a header value.</summary>
internal static class HeaderText
{
    // RFC 8187, as in the file names of Content-Disposition.
    private const string Encoded = "UTF-8''";

    /// <summary>
    /// The text as it is where a header can hold it: visible ASCII, with blanks inside. Any other text is percent-encoded UTF-8 behind <c>UTF-8''</c>, and so is one that begins with
    /// that mark: no two texts become one.
    /// </summary>
    public static string Encode(string text)
    {
        var isPlain = text.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0
            && !text.StartsWith(' ') && !text.EndsWith(' ')
            && !text.StartsWith(Encoded, StringComparison.OrdinalIgnoreCase);
        return isPlain ? text : Encoded + Uri.EscapeDataString(text);
    }
}
