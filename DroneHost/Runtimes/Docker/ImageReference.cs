namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>
/// An image reference (distribution/reference), taken apart as far as we need: the engine checks the rest. It becomes a part of a request's path, so dots
/// and slashes that could make another path of it are refused here.
/// </summary>
/// <param name="Text">As it was given.</param>
/// <param name="Repository">Without tag and digest.</param>
/// <param name="Tag">The digest, or the tag, or <c>latest</c>: never empty, which would mean every tag.</param>
internal sealed record ImageReference(string Text, string Repository, string Tag)
{
    /// <summary>The registry that credentials are for.</summary>
    public string Registry =>
        Repository.IndexOf('/', StringComparison.Ordinal) is > 0 and var slash
        && Repository[..slash] is var first
        && (first.AsSpan().IndexOfAny('.', ':') >= 0 || first == "localhost")
            ? first
            : "https://index.docker.io/v1/";

    /// <summary>Reads one.</summary>
    public static bool TryParse(string? text, out ImageReference reference)
    {
        reference = new ImageReference("", "", "");
        if (text is not { Length: > 0 and <= 1024 })
        {
            return false;
        }

        var rest = text;
        var tag = "latest";
        if (rest.IndexOf('@', StringComparison.Ordinal) is >= 0 and var at)
        {
            tag = rest[(at + 1)..];
            rest = rest[..at];
            if (!IsPart(tag, ":"))
            {
                return false;
            }
        }

        if (rest.LastIndexOf(':') is >= 0 and var colon && colon > rest.LastIndexOf('/'))
        {
            if (!IsPart(rest[(colon + 1)..], ""))
            {
                return false;
            }

            tag = rest.Length == text.Length ? rest[(colon + 1)..] : tag;
            rest = rest[..colon];
        }

        var parts = rest.Split('/');
        for (var i = 0; i < parts.Length; i++)
        {
            if (!IsPart(parts[i], i == 0 && parts.Length > 1 ? ":[]" : ""))
            {
                return false;
            }
        }

        reference = new ImageReference(text, rest, tag);
        return true;
    }

    private static bool IsPart(string part, string also) =>
        part is not ("" or "." or "..") && part.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '+' || also.Contains(c, StringComparison.Ordinal));
}
