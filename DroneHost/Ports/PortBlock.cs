using System.Net.Sockets;

namespace Plane.DroneHost.Ports;

/// <summary>
/// A block of 1,000 ports for a drone without <c>--port-range</c>. Drones that take such a block never share one on the same machine. A block is claimed by binding an abstract unix socket
/// (unix(7)): its name belongs to the network namespace, as ports do, and the kernel frees it when the process ends. The blocks are below the default range of drones (20000-29999)
/// and below the ephemeral ports.
/// </summary>
internal sealed class PortBlock : IDisposable
{
    private const int First = 10_000;
    private const int Count = 10;
    private const int Size = 1_000;

    private readonly Socket _claim;

    private PortBlock(Socket claim, int from) => (_claim, From) = (claim, from);

    /// <summary>Its first port.</summary>
    public int From { get; }

    /// <summary>Its last port.</summary>
    public int To => From + Size - 1;

    /// <summary>The first block that is free, or null.</summary>
    public static PortBlock? TryDraw()
    {
        for (var from = First; from < First + (Count * Size); from += Size)
        {
            var claim = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                claim.Bind(new UnixDomainSocketEndPoint($"\0plane/ports/{from.ToString(System.Globalization.CultureInfo.InvariantCulture)}"));
                return new PortBlock(claim, from);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                claim.Dispose();
            }
        }

        return null;
    }

    public void Dispose() => _claim.Dispose();
}
