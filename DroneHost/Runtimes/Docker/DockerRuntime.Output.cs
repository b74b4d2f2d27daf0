using System.Buffers.Binary;
using System.Net;

namespace Plane.Drone.Runtimes.Docker;

// What a container shows of itself: where it listens, what it wrote.
public sealed partial class DockerRuntime
{
    private const int FrameHeader = 8;

    // Of the last lines, which may be of any length, so much of the end is looked at.
    private const int KeptOutput = 64 * 1024;

    // The engine's own name server listens in every container of a network that a user made.
    private static readonly IPAddress s_nameServer = IPAddress.Parse("127.0.0.11");

    private static readonly string s_expected =
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"on 0.0.0.0 and the port in the variable PORT ({ContainerSpecs.Port})");

    /// <inheritdoc/>
    public async Task<ListenerLook> LookAtListenerAsync(BackendIdentity backend, string address, CancellationToken cancellationToken)
    {
        if (await FindAsync(backend, cancellationToken) is not { State.Running: true } container)
        {
            return new ListenerLook(false, null);
        }

        // While the engine publishes the port, what answers there is the container; whether it takes connections says nothing, since the engine does so for it. Sockets that this machine's
        // kernel doesn't know (gVisor has its own) show as none.
        var isPublished = ContainerSpecs.IsPublished(container, IPEndPoint.Parse(address));
        var sockets = SocketsIn(container) is { Count: > 0 } seen ? seen : null;
        var listens = sockets?.Any(s => s.EndPoint.Port == ContainerSpecs.Port && !IPAddress.IsLoopback(s.EndPoint.Address)) == true;
        return new ListenerLook(isPublished, listens ? null : ListenerLook.NotOwn(sockets, s_expected).Hint);
    }

    /// <inheritdoc/>
    public async Task<string?> ReadOutputTailAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        if (await FindAsync(backend, cancellationToken) is not { } container)
        {
            return null;
        }

        using var answer = await Answered(_docker.LogsAsync(container.Id, OutputTail.MaxLines, cancellationToken));
        try
        {
            await using var stream = await answer.Content.ReadAsStreamAsync(cancellationToken);
            return OutputTail.Of(await ReadFramesAsync(stream, cancellationToken));
        }
        catch (Exception e) when (DockerClient.IsTransport(e) && !cancellationToken.IsCancellationRequested)
        {
            throw _docker.Broken($"/containers/{container.Id}/logs", e);
        }
    }

    /// <summary>The end of what the frames of a log carry.</summary>
    internal static async Task<byte[]> ReadFramesAsync(Stream stream, CancellationToken cancellationToken)
    {
        var header = new byte[FrameHeader];
        var output = new List<byte>();
        while (await stream.ReadAtLeastAsync(header, FrameHeader, throwOnEndOfStream: false, cancellationToken) == FrameHeader)
        {
            var frame = new byte[Math.Min(BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(4)), KeptOutput)];
            for (long left = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(4)); left > 0;)
            {
                var read = await stream.ReadAtLeastAsync(frame.AsMemory(0, (int)Math.Min(left, frame.Length)), 1, throwOnEndOfStream: true, cancellationToken);
                output.AddRange(frame.AsSpan(0, read));
                left -= read;
                if (output.Count > 2 * KeptOutput)
                {
                    output.RemoveRange(0, output.Count - KeptOutput);
                }
            }
        }

        return [.. output];
    }

    /// <summary>What listens in the container's network; null where this machine does not know the container's processes.</summary>
    private List<ListeningSocket>? SocketsIn(ContainerDetails container)
    {
        if (ProcessOf(container) is not { Pid: > 0 } process)
        {
            return null;
        }

        try
        {
            return [.. ListeningSocket.In(process.Pid).Where(s => !s.EndPoint.Address.Equals(s_nameServer))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended meanwhile, or is not this user's to see.
            return null;
        }
    }
}
