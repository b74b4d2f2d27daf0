using System.Net.Sockets;

namespace Plane.Drone.Ports;

/// <summary>
/// A block of 1,000 ports that no other drone on this machine draws, for installations without planned ports. It is claimed by a name among the abstract unix sockets
/// (unix(7)): these belong to the network namespace, as ports do, and the kernel frees them with the process, however it ends. The blocks lie below the ports that a drone uses by
/// default (20000-29999), and below the ephemeral ones.
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
