using System.Collections.Concurrent;
using System.Globalization;
using System.Net;

namespace Plane.DroneHost.Runtimes.Process;

// What a backend shows of itself: where it listens, what it wrote.
public sealed partial class ProcessRuntime
{
    // Of the last lines, which may be of any length, so much of the end is looked at.
    private const int KeptOutput = 64 * 1024;

    // The sockets that each backend was seen to listen on at its address.
    private readonly ConcurrentDictionary<BackendIdentity, HashSet<long>> _ownSockets = new();

    /// <inheritdoc/>
    /// <remarks>
    /// A listening socket is the backend's if one of its processes has it open: a member of its cgroup or of the launcher's session. Without a cgroup a process that made a session
    /// of its own is not known as the backend's, nor is one whose open files this user may not read: what it listens on is not taken for the backend's, and it does not become ready.
    /// </remarks>
    public Task<ListenerLook> LookAtListenerAsync(BackendIdentity backend, string address, CancellationToken cancellationToken) =>
        Task.FromResult(LookAtListener(backend, IPEndPoint.Parse(address), ProcStat.ReadAll()));

    /// <inheritdoc/>
    /// <remarks>
    /// One reading of the listening sockets answers for every backend that still listens on the socket it was seen to have: whose a socket is does not change. Only for the others are
    /// processes and their open files read. What looks taken is looked at again: a backend may have begun to listen again between the two readings.
    /// </remarks>
    public Task<IReadOnlyList<BackendIdentity>> FindDisplacedAsync(IReadOnlyDictionary<BackendIdentity, string> addresses, CancellationToken cancellationToken)
    {
        var displaced = new List<BackendIdentity>();
        var processes = new Lazy<List<ProcStat>>(() => [.. ProcStat.ReadAll()]);
        var sockets = ListeningSocket.In().ToLookup(s => s.EndPoint.Port);
        foreach (var (backend, address) in addresses)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var point = IPEndPoint.Parse(address);
            var reached = ListeningSocket.Reached(sockets[point.Port], point);
            if (reached.Count > 0
                && !(_ownSockets.TryGetValue(backend, out var own) && reached.All(s => own.Contains(s.Inode)))
                && LookAtListener(backend, point, processes.Value).IsForeign
                && LookAtListener(backend, point, ProcStat.ReadAll()).IsForeign)
            {
                displaced.Add(backend);
            }
        }

        return Task.FromResult<IReadOnlyList<BackendIdentity>>(displaced);
    }

    /// <inheritdoc/>
    public Task<string?> ReadOutputTailAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        var files = FilesOf(backend);
        var end = EndOf(files.Output, KeptOutput);

        // What was written just before may have been moved aside.
        return Task.FromResult(OutputTail.Of(end.Length < KeptOutput ? [.. EndOf(files.OlderOutput, KeptOutput - end.Length), .. end] : end));
    }

    private ListenerLook LookAtListener(BackendIdentity backend, IPEndPoint point, IEnumerable<ProcStat> processes)
    {
        var (state, launcher, spec) = LookAt(FilesOf(backend));
        if (state != FoundState.Running || spec is null)
        {
            return new ListenerLook(false, null);
        }

        // Read in this order: a socket that is opened between the two is missed and seen at the next look, never taken for another's.
        var members = launcher.Members(processes).Concat(spec.Cgroup is { } cgroup ? Cgroups.Members(cgroup) : []).Select(m => m.Pid).Distinct();
        var open = members.SelectMany(ListeningSocket.OpenIn).ToHashSet();
        var sockets = ListeningSocket.In();
        var reached = ListeningSocket.Reached(sockets, point);
        if (reached.Count > 0 && reached.All(s => open.Contains(s.Inode)))
        {
            _ownSockets[backend] = [.. reached.Select(s => s.Inode)];
            return ListenerLook.Own;
        }

        var expected = string.Create(CultureInfo.InvariantCulture, $"on {point.Address} or 0.0.0.0 and the port in the variable PORT ({point.Port})");
        return ListenerLook.NotOwn(sockets.Where(s => open.Contains(s.Inode)), expected, reached.Count > 0 ? point.ToString() : null);
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
