using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Plane.DnsHost.Server;

/// <summary>The network of an address, as far as one sender usually has it: IPv4 /24, IPv6 /56. An IPv4 address in IPv6 form counts as IPv4.</summary>
internal static class Network
{
    /// <summary>The network of a datagram's sender, and whether it can be answered: port 0 cannot.</summary>
    public static bool TryRead(SocketAddress from, out ulong network)
    {
        var bytes = from.Buffer.Span;
        network = 0;
        if (from.Family == AddressFamily.InterNetwork)
        {
            network = V4(bytes[4..8]);
        }
        else if (from.Family == AddressFamily.InterNetworkV6)
        {
            network = V6(bytes[8..24]);
        }
        else
        {
            return false;
        }

        return BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]) != 0;
    }

    /// <summary>The network of an address.</summary>
    public static ulong Of(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out var length);
        return length == 4 ? V4(bytes) : V6(bytes);
    }

    // Bit 0 distinguishes the families.
    private static ulong V4(ReadOnlySpan<byte> address) => ((ulong)BinaryPrimitives.ReadUInt32BigEndian(address) & 0xFFFF_FF00) | 1;

    private static ulong V6(ReadOnlySpan<byte> address)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(address);
        return words[0] == 0 && BinaryPrimitives.ReadUInt32BigEndian(address[8..]) == 0x0000_FFFF
            ? V4(address[12..16])
            : BinaryPrimitives.ReadUInt64BigEndian(address) & ~0xFFUL;
    }
}
