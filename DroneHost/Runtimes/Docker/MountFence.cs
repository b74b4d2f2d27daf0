using System.Globalization;
using System.Text;

namespace Plane.Drone.Runtimes.Docker;

/// <summary>
/// Keeps an older holder of a key from mounting its directory after a newer one has: the greatest fencing token that ever mounted a directory stands in
/// <c>base/.plane/&lt;directory&gt;</c>, and a smaller one is refused. This also holds where the base is a file system that several drones share.
/// </summary>
internal sealed class MountFence(TimeProvider time)
{
    private static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LockRetry = TimeSpan.FromMilliseconds(5);

    /// <summary>Writes the token, unless a greater one stands there.</summary>
    /// <param name="mountBase">The base, its links followed or not.</param>
    /// <param name="relative">The directory's path below the base; its slashes are encoded too, since <c>a</c> and <c>a/b</c> need two files.</param>
    /// <param name="token">The fencing token.</param>
    /// <param name="cancellationToken">Ends the waiting for the lock.</param>
    /// <exception cref="RuntimeFailureException">A greater token stands there, or the file cannot be read or written.</exception>
    public async Task EnterAsync(string mountBase, string relative, FencingToken token, CancellationToken cancellationToken)
    {
        var own = Path.Combine(mountBase, MountDirectory.Own);
        var file = Path.Combine(own, MountDirectory.Encode(relative));
        try
        {
            PrivateDirectory.Create(own);
            using var held = await LockAsync(Path.Combine(own, ".lock"), cancellationToken);
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
                Write(file, token);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new RuntimeFailureException($"The mount '{RuntimeText.Shown(relative)}' cannot be fenced: {RuntimeText.Shown(e.Message)}", e);
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
