using System.Text.RegularExpressions;

namespace Plane;

/// <summary>
/// The grammar of image references, as container engines have it (distribution/reference):
/// <c>[registry[:port]/]path[/path…][:tag][@digest]</c>. An engine refuses anything else, but only once a backend was scheduled.
/// </summary>
internal static partial class ImageRules
{
    private const int MaxReference = 1024;
    private const int MaxPath = 255;
    private const string Example = "must be an image reference such as registry.example:5000/team/app:1.2: ";

    /// <summary>What is wrong with a reference, or <see langword="null"/>.</summary>
    /// <param name="reference">The reference.</param>
    public static string? Problem(string reference)
    {
        if (reference.Length == 0)
        {
            return "must not be empty";
        }

        if (reference.Length > MaxReference)
        {
            return "must have at most 1024 characters";
        }

        var (rest, digest) = Cut(reference, reference.IndexOf('@', StringComparison.Ordinal));
        if (digest is not null && !Digest().IsMatch(digest))
        {
            return Example + "after @ comes a digest, sha256: and 64 lower-case hexadecimal digits (or sha384, sha512)";
        }

        // A colon before the last slash is a registry's port.
        var colon = rest.LastIndexOf(':');
        var (name, tag) = Cut(rest, colon > rest.LastIndexOf('/') ? colon : -1);
        if (tag is not null && !Tag().IsMatch(tag))
        {
            return Example + "a tag has 1 to 128 letters, digits, _, . and -, and begins with a letter, a digit or _";
        }

        var (registry, path) = SplitRegistry(name);
        return registry is not null && !Registry().IsMatch(registry) ? Example + "the registry must be a host name or an address, with an optional port"
            : path.Any(char.IsAsciiLetterUpper) ? Example + "the repository must be in lower case"
            : !Repository().IsMatch(path) ? Example + "the repository is made of lower-case letters and digits, with single ., _, / or - between them"
            : path.Length > MaxPath ? "must have a repository of at most 255 characters"
            : null;
    }

    private static (string Before, string? After) Cut(string text, int at) => at < 0 ? (text, null) : (text[..at], text[(at + 1)..]);

    // The first part is a registry where it can't be a part of a repository's path, or is this machine.
    private static (string? Registry, string Path) SplitRegistry(string name)
    {
        var slash = name.IndexOf('/', StringComparison.Ordinal);
        var first = slash < 0 ? "" : name[..slash];
        return first == "localhost" || first.AsSpan().ContainsAny('.', ':') || first.Any(char.IsAsciiLetterUpper) ? (first, name[(slash + 1)..]) : (null, name);
    }

    [GeneratedRegex(@"\A(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})\z")]
    private static partial Regex Digest();

    [GeneratedRegex(@"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\z")]
    private static partial Regex Tag();

    [GeneratedRegex(@"\A(?:\[[0-9A-Fa-f:]+\]|[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*)(?::[0-9]{1,5})?\z")]
    private static partial Regex Registry();

    [GeneratedRegex(@"\A[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*\z")]
    private static partial Regex Repository();
}
