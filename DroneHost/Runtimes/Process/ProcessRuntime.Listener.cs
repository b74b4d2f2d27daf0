using System.Globalization;
using System.Net;

namespace Plane.Drone.Runtimes.Process;

// What a backend shows of itself: where it listens, what it wrote.
public sealed partial class ProcessRuntime
{
    // Of the last lines, which may be of any length, so much of the end is looked at.
    private const int KeptOutput = 64 * 1024;

    /// <inheritdoc/>
    /// <remarks>
    /// A listening socket is the backend's if one of its processes has it open: a member of its cgroup or of the launcher's session. Without a cgroup a process that made a session
    /// of its own is not known as the backend's, nor is one whose open files this user may not read: what it listens on is not taken for the backend's, and it does not become ready.
    /// </remarks>
    public Task<ListenerLook> LookAtListenerAsync(BackendIdentity backend, string address, CancellationToken cancellationToken)
    {
        var point = IPEndPoint.Parse(address);
        var (state, launcher, spec) = LookAt(FilesOf(backend));
        if (state != FoundState.Running || spec is null)
        {
            return Task.FromResult(new ListenerLook(false, null));
        }

        // Read in this order: a socket that is opened between the two is missed and seen at the next look, never taken for another's.
        var members = launcher.Members(ProcStat.ReadAll()).Concat(spec.Cgroup is { } cgroup ? Cgroups.Members(cgroup) : []).Select(m => m.Pid).Distinct();
        var open = members.SelectMany(ListeningSocket.OpenIn).ToHashSet();
        var sockets = ListeningSocket.In();
        var reached = ListeningSocket.Reached(sockets, point);
        if (reached.Count > 0 && reached.All(s => open.Contains(s.Inode)))
        {
            return Task.FromResult(ListenerLook.Own);
        }

        var expected = string.Create(CultureInfo.InvariantCulture, $"on {point.Address} or 0.0.0.0 and the port in the variable PORT ({point.Port})");
        return Task.FromResult(ListenerLook.NotOwn(sockets.Where(s => open.Contains(s.Inode)), expected, reached.Count > 0 ? address : null));
    }

    /// <inheritdoc/>
    public Task<string?> ReadOutputTailAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        var files = FilesOf(backend);
        var end = EndOf(files.Output, KeptOutput);

        // What was written just before may have been moved aside.
        return Task.FromResult(OutputTail.Of(end.Length < KeptOutput ? [.. EndOf(files.OlderOutput, KeptOutput - end.Length), .. end] : end));
    }

    private static byte[] EndOf(string file, int most)
    {
        try
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            stream.Seek(-Math.Min(stream.Length, most), SeekOrigin.End);
            var end = new byte[most];
            return end[..stream.ReadAtLeast(end, most, throwOnEndOfStream: false)];
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            // It wrote nothing.
            return [];
        }
    }
}
