using System.Security.Cryptography;
using System.Text;

namespace Plane.Drone.Runtimes.Docker;

/// <summary>
/// Which directory a backend's mount is. A key's own directory is <c>base/&lt;namespace&gt;/&lt;name&gt;</c> (<c>base/&lt;name&gt;</c> for the empty
/// namespace), each part encoded so that whatever stands in a key it is one harmless file name; a path that the caller gives is taken as it is and must, with
/// all links followed, lie under the base. Links are followed for the key's directory too: a backend whose mount is one of its parents may have put one there.
/// </summary>
internal static class MountDirectory
{
    /// <summary>Below the base, the drones' own.</summary>
    public const string Own = ".plane";

    private const int MaxPart = 200;
    private const int MaxLinks = 40;

    /// <summary>
    /// One part of a path: every byte but letters, digits, <c>.</c>, <c>_</c>, <c>-</c> and a leading dot becomes <c>%XX</c>; over 200 bytes it is cut and
    /// completed by <c>~</c>, which no encoded text has, and the SHA-256 of the whole.
    /// </summary>
    public static string Encode(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var encoded = new StringBuilder(bytes.Length);
        for (var i = 0; i < bytes.Length; i++)
        {
            var c = (char)bytes[i];
            if (char.IsAsciiLetterOrDigit(c) || c is '_' or '-' || (c == '.' && i > 0))
            {
                encoded.Append(c);
            }
            else
            {
                encoded.Append('%').Append(bytes[i].ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
            }
        }

        if (encoded.Length <= MaxPart)
        {
            return encoded.ToString();
        }

        var hash = Convert.ToHexStringLower(SHA256.HashData(bytes));
        return $"{encoded.ToString(0, MaxPart - 1 - hash.Length)}~{hash}";
    }

    /// <summary>The path below the base, not looked up yet.</summary>
    /// <exception cref="RuntimeFailureException">The caller's path is none that may be mounted.</exception>
    public static string RelativePath(MountRequest mount, KeyConfig key)
    {
        if (mount.Path is not { } path)
        {
            return key.Namespace.Length == 0 ? Encode(key.Name) : $"{Encode(key.Namespace)}/{Encode(key.Name)}";
        }

        var parts = path.Split('/');
        return path.Length > 1024 || path.Any(char.IsControl) || parts.Any(p => p is "" or "." or "..") || parts[0] == Own
            ? throw new RuntimeFailureException($"The mount path '{RuntimeText.Shown(path)}' must be relative, without empty, . or .. parts, and not begin with {Own}.")
            : path;
    }

    /// <summary>Makes the directory where it is missing, and returns its path with every link followed.</summary>
    /// <exception cref="RuntimeFailureException">It would lie outside of the base, or cannot be made.</exception>
    public static string Resolve(string mountBase, string relative)
    {
        try
        {
            Directory.CreateDirectory(mountBase);
            var root = Follow("/", mountBase.Split('/'), 0);
            var target = Follow(root, relative.Split('/'), 0);
            if (!IsBelow(target, root) || target == $"{root}/{Own}" || IsBelow(target, $"{root}/{Own}"))
            {
                throw new RuntimeFailureException($"The mount path '{RuntimeText.Shown(relative)}' leads out of the drone's mount directory.");
            }

            Directory.CreateDirectory(target);
            return target;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RuntimeFailureException($"The mount directory '{RuntimeText.Shown(relative)}' cannot be used: {RuntimeText.Shown(e.Message)}", e);
        }
    }

    private static bool IsBelow(string path, string directory) => path.StartsWith($"{directory.TrimEnd('/')}/", StringComparison.Ordinal);

    /// <summary>realpath(3) that puts up with missing parts: they are ours to make, and have no links.</summary>
    private static string Follow(string from, ReadOnlySpan<string> parts, int links)
    {
        var path = from;
        foreach (var part in parts)
        {
            if (part is "" or ".")
            {
                continue;
            }

            if (part == "..")
            {
                path = Path.GetDirectoryName(path) ?? "/";
                continue;
            }

            var next = path == "/" ? $"/{part}" : $"{path}/{part}";
            var link = new FileInfo(next).LinkTarget;
            if (link is null)
            {
                path = next;
            }
            else if (links >= MaxLinks)
            {
                throw new IOException($"Too many links at {next}");
            }
            else
            {
                links++;
                path = Follow(link.StartsWith('/') ? "/" : path, link.Split('/'), links);
            }
        }

        return path;
    }
}
