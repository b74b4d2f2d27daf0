using System.Globalization;
using System.Text;
using Plane.Files;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>
/// Keeps an older holder of a key from mounting its directory after a newer one has, and keeps mounts apart. Both also hold where the base is a file system that several drones
/// share, by files below <c>base/.plane</c> under one lock:
/// <para>
/// <c>&lt;directory&gt;</c> holds the greatest fencing token that ever mounted the directory: a smaller one is refused. <c>&lt;directory/&gt;</c>, empty, says that something in the
/// directory was mounted: then the directory itself is not, and nothing in a directory that was. A backend could else exchange a part of the path to another's mount.
/// </para>
/// </summary>
internal sealed class MountFence(TimeProvider time)
{
    /// <summary>Says that the directories that contain mounts of before are marked.</summary>
    private const string Marked = ".marked";

    private static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LockRetry = TimeSpan.FromMilliseconds(5);

    /// <summary>Writes the token, unless a greater one is there.</summary>
    /// <param name="mountBase">The base, its links followed or not.</param>
    /// <param name="relative">The directory's path below the base; its slashes are encoded too, since <c>a</c> and <c>a/b</c> need two files.</param>
    /// <param name="token">The fencing token.</param>
    /// <param name="cancellationToken">Ends the waiting for the lock.</param>
    /// <param name="former">Where the directory was in former versions, to be moved from there; null where it is the same.</param>
    /// <exception cref="RuntimeFailureException">The directory has a greater token, another mount contains it or lies in it, or the files cannot be read or written.</exception>
    public async Task EnterAsync(string mountBase, string relative, FencingToken token, CancellationToken cancellationToken, string? former = null)
    {
        var own = Path.Combine(mountBase, MountDirectory.Own);
        var file = FileOf(own, relative);
        try
        {
            PrivateFile.CreateDirectory(own);
            using var held = await LockAsync(Path.Combine(own, ".lock"), cancellationToken);
            MarkFormerMounts(own);
            if (former is not null && File.Exists(FileOf(own, former)) && !File.Exists(file))
            {
                Move(mountBase, former, relative);
            }

            KeepApart(own, relative);
            var standing = File.Exists(file) ? await File.ReadAllTextAsync(file, cancellationToken) : "0";
            if (!long.TryParse(standing.AsSpan().TrimEnd(), NumberStyles.None, CultureInfo.InvariantCulture, out var greatest))
            {
                throw new RuntimeFailureException($"The mount '{RuntimeText.Shown(relative)}' is refused: {file} does not hold a fencing token.");
            }

            if (greatest > token.Value)
            {
                throw new RuntimeFailureException($"The mount '{RuntimeText.Shown(relative)}' is refused: a newer holder of its key (fencing token {greatest}, not {token}) has mounted it.");
            }

            if (greatest < token.Value)
            {
                Mark(own, relative);
                Write(file, token);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RuntimeFailureException($"The mount '{RuntimeText.Shown(relative)}' cannot be fenced: {RuntimeText.Shown(e.Message)}", e);
        }
    }

    private static string FileOf(string own, string relative) => Path.Combine(own, MountDirectory.Encode(relative));

    // No directory's path ends with a slash, so this is not another one's file.
    private static string MarkOf(string own, string directory) => FileOf(own, $"{directory}/");

    private static IEnumerable<string> Containing(string relative)
    {
        for (var slash = relative.IndexOf('/', StringComparison.Ordinal); slash >= 0; slash = relative.IndexOf('/', slash + 1))
        {
            yield return relative[..slash];
        }
    }

    private static void KeepApart(string own, string relative)
    {
        if (Containing(relative).FirstOrDefault(d => File.Exists(FileOf(own, d))) is { } outer)
        {
            throw new RuntimeFailureException(
                $"The mount '{RuntimeText.Shown(relative)}' is refused: it lies in '{RuntimeText.Shown(outer)}', which is the mount of other backends. Mounts must not contain each other.");
        }

        if (File.Exists(MarkOf(own, relative)))
        {
            throw new RuntimeFailureException(
                $"The mount '{RuntimeText.Shown(relative)}' is refused: mounts of other backends lie in it. Mounts must not contain each other.");
        }
    }

    private static void Mark(string own, string relative)
    {
        foreach (var directory in Containing(relative))
        {
            File.WriteAllText(MarkOf(own, directory), "");
        }
    }

    /// <summary>Once for a base: former versions did not mark what contains a mount.</summary>
    private static void MarkFormerMounts(string own)
    {
        var marked = Path.Combine(own, Marked);
        if (File.Exists(marked))
        {
            return;
        }

        foreach (var name in Directory.EnumerateFiles(own).Select(Path.GetFileName).ToList())
        {
            // Of a name that was cut (~) what is left of the path is a part of it: the directories in it contain the mount anyway.
            if (!name!.StartsWith('.'))
            {
                Mark(own, Uri.UnescapeDataString(name.Split('~')[0]));
            }
        }

        File.WriteAllText(marked, "");
    }

    /// <summary>
    /// Moves a key's directory and its token to where they are now. A link in its place is not followed: the backend that has the directory above may have put one there.
    /// </summary>
    private static void Move(string mountBase, string former, string relative)
    {
        var own = Path.Combine(mountBase, MountDirectory.Own);
        var (from, to) = (Path.Combine(mountBase, former), Path.Combine(mountBase, relative));
        if (MountDirectory.IsDirectory(Path.GetDirectoryName(from)!) && MountDirectory.IsDirectory(from))
        {
            MountDirectory.Resolve(mountBase, relative[..relative.LastIndexOf('/')]);
            Directory.Move(from, to);
            if (!MountDirectory.IsDirectory(to))
            {
                File.Delete(to);
            }
        }

        File.Move(FileOf(own, former), FileOf(own, relative));
        Mark(own, relative);
        var parent = former[..former.LastIndexOf('/')];
        var mark = MarkOf(own, parent);
        if (!Directory.EnumerateFiles(own).Any(f => f != mark && Path.GetFileName(f).StartsWith(MountDirectory.Encode($"{parent}/"), StringComparison.Ordinal)))
        {
            File.Delete(mark);
        }
    }

    // Written beside and renamed, on the disk before: a crash leaves the old token or the new one, never half a number.
    private static void Write(string file, FencingToken token)
    {
        var temporary = $"{file}.~";
        using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None))
        {
            stream.Write(Encoding.ASCII.GetBytes(token.ToString()));
            stream.Flush(flushToDisk: true);
        }

        File.Move(temporary, file, overwrite: true);
    }

    private async Task<FileStream> LockAsync(string file, CancellationToken cancellationToken)
    {
        var begun = time.GetTimestamp();
        while (true)
        {
            try
            {
                // .NET takes flock(2) for FileShare.None.
                return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (time.GetElapsedTime(begun) < LockTimeout)
            {
                await Task.Delay(LockRetry, time, cancellationToken);
            }
        }
    }
}
