using System.Security.Cryptography;
using System.Text;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>
/// Which directory a backend's mount is. A key's own is <c>base/&lt;name&gt;</c> for the empty namespace and <c>base/.ns/&lt;namespace&gt;/&lt;name&gt;</c> for any other, each part
/// encoded so that any key is one harmless file name; a path that the caller gives is taken as it is.
/// <para>
/// The engine finds the directory by its path, later than it was checked here; it can't be handed a descriptor (a bind mount from another mount namespace's <c>/proc/PID/fd</c> is
/// refused by the kernel). So the path itself must not change in between: no part of it is a symbolic link, and <see cref="MountFence"/> sees to it that no directory is mounted
/// that contains or lies in another one which ever was. What lies above a mount is then written by no backend.
/// </para>
/// </summary>
internal static class MountDirectory
{
    /// <summary>Below the base, the drones' own.</summary>
    public const string Own = ".plane";

    /// <summary>Below the base, the directories of namespaces. No name is encoded so, and no caller's path may begin so: none contains another key's directory.</summary>
    public const string Namespaces = ".ns";

    private const int MaxPart = 200;

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
            return key.Namespace.Length == 0 ? Encode(key.Name) : $"{Namespaces}/{Encode(key.Namespace)}/{Encode(key.Name)}";
        }

        var parts = path.Split('/');
        return path.Length > 1024 || path.Any(char.IsControl) || parts.Any(p => p is "" or "." or "..") || parts[0] is Own or Namespaces
            ? throw new RuntimeFailureException(
                $"The mount path '{RuntimeText.Shown(path)}' must be relative, without empty, . or .. parts, and not begin with {Own} or {Namespaces}.")
            : path;
    }

    /// <summary>Where former versions kept a key's directory, or null where that is where it still is: inside the directory that the key ("", namespace) may have.</summary>
    public static string? FormerPath(MountRequest mount, KeyConfig key) =>
        mount.Path is null && key.Namespace.Length > 0 ? $"{Encode(key.Namespace)}/{Encode(key.Name)}" : null;

    /// <summary>Makes the directory where it is missing, and returns its path.</summary>
    /// <exception cref="RuntimeFailureException">A part of it is a link or a file, or cannot be made.</exception>
    public static string Resolve(string mountBase, string relative)
    {
        try
        {
            Directory.CreateDirectory(mountBase);
            var path = mountBase.TrimEnd('/');
            foreach (var part in relative.Split('/'))
            {
                path = $"{path}/{part}";
                Directory.CreateDirectory(path);
                if (!IsDirectory(path))
                {
                    throw new RuntimeFailureException(
                        $"The mount path '{RuntimeText.Shown(relative)}' is refused: {RuntimeText.Shown(path)} is a symbolic link. Links below the drone's mount directory are not followed; use a bind mount.");
                }
            }

            return path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RuntimeFailureException($"The mount directory '{RuntimeText.Shown(relative)}' cannot be used: {RuntimeText.Shown(e.Message)}", e);
        }
    }

    /// <summary>Whether it is a directory itself, and no link to one.</summary>
    public static bool IsDirectory(string path) => new DirectoryInfo(path) is { Exists: true, LinkTarget: null };
}
