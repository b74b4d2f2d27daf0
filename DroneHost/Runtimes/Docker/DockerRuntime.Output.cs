using System.Net;
using System.Net.Sockets;
using Docker.DotNet.Models;

namespace Plane.DroneHost.Runtimes.Docker;

// What a container shows of itself: where it listens, what it wrote at last.
public sealed partial class DockerRuntime
{
    // Lines may be of any length: so much of the end is looked at for the last ones.
    private const int LookedAt = 64 * 1024;

    private static readonly TimeSpan s_lookAgain = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_connect = TimeSpan.FromMilliseconds(500);

    // The engine's own name server listens in every container of a network that a user made.
    private static readonly IPAddress s_nameServer = IPAddress.Parse("127.0.0.11");

    private static readonly string s_expected =
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"on 0.0.0.0 and the port in the variable PORT ({ContainerSpecs.Port})");

    /// <inheritdoc/>
    public async Task<ListenerLook> LookAtListenerAsync(BackendIdentity backend, string address, CancellationToken cancellationToken)
    {
        if (await FindAsync(backend, cancellationToken) is not { } id
            || await Answered(_docker.InspectAsync(id, cancellationToken)) is not { State.Running: true } container)
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
    /// <remarks>
    /// The engine holds a port for as long as it publishes it. A container that runs may lose it anyway, as when an operator disconnects it from its network. An engine that has just
    /// restarted may not publish it yet: what looks taken is looked at again after a second.
    /// </remarks>
    public async Task<IReadOnlyList<BackendIdentity>> FindDisplacedAsync(IReadOnlyDictionary<BackendIdentity, string> addresses, CancellationToken cancellationToken)
    {
        var running = await Answered(_docker.ListAsync(new() { ["label"] = ContainerLabels.Filter(_options.InstanceId), ["status"] = ["running"] }, cancellationToken));
        var byId = running.ToDictionary(c => c.ID);
        var displaced = new List<BackendIdentity>();
        foreach (var (backend, address) in addresses)
        {
            var point = IPEndPoint.Parse(address);
            if (_running.TryGetValue(backend, out var id) && byId.TryGetValue(id, out var listed) && !ContainerSpecs.IsPublished(listed, point)
                && await IsTakenAsync(id, point, cancellationToken))
            {
                await Task.Delay(s_lookAgain, _time, cancellationToken);
                if (await IsTakenAsync(id, point, cancellationToken))
                {
                    displaced.Add(backend);
                }
            }
        }

        return displaced;
    }

    /// <inheritdoc/>
    public async Task<string?> ReadOutputTailAsync(BackendIdentity backend, CancellationToken cancellationToken)
    {
        var output = _ended.ReadOutput(backend)
            ?? (await FindAsync(backend, cancellationToken) is { } id ? (await ReadLastOutputAsync(backend, id, cancellationToken)).Text : []);
        return OutputTail.Of(output.AsSpan(Math.Max(0, output.Length - LookedAt)));
    }

    /// <summary>Whether a container runs without its port being published at the address, and something takes connections there.</summary>
    private async Task<bool> IsTakenAsync(string id, IPEndPoint address, CancellationToken cancellationToken)
    {
        if (await Answered(_docker.InspectAsync(id, cancellationToken)) is not { State.Running: true } container || ContainerSpecs.IsPublished(container, address))
        {
            return false;
        }

        using var limit = new CancellationTokenSource(s_connect, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(address, either.Token);
            return true;
        }
        catch (Exception e) when (e is SocketException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // Nothing listens there.
            return false;
        }
    }

    /// <summary>What listens in the container's network; null where this machine does not know the container's processes.</summary>
    private List<ListeningSocket>? SocketsIn(ContainerInspectResponse container)
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
