using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Plane.ProxyHost.ProxyProtocol;

/// <summary>How reading a header ended.</summary>
internal enum ProxyHeaderOutcome
{
    /// <summary>More bytes are needed.</summary>
    Incomplete,

    /// <summary>There is a header.</summary>
    Valid,

    /// <summary>What came is not one.</summary>
    Invalid,
}

/// <summary>
/// The header that a balancer of TCP sends before what the client sends: where the client's connection came from (haproxy's "The PROXY protocol", versions 1 and 2). Read strictly and within
/// bounds: who may send it is trusted, but a byte too many that is read here would be missing from the request.
/// </summary>
/// <param name="Source">The client's address; null where the balancer speaks for itself, or has none to tell.</param>
/// <param name="Destination">The address that the client connected to; null with <paramref name="Source"/>.</param>
internal readonly record struct ProxyHeader(IPEndPoint? Source, IPEndPoint? Destination)
{
    // Version 1 is a line of at most 107 characters. Version 2 has 16 bytes, two addresses, and extensions, of which balancers send some hundred bytes.
    private const int MaxLine = 107;
    private const int MaxLength = 4096;
    private const int FixedLength = 16;

    private static readonly SearchValues<char> s_ofAddresses = SearchValues.Create("0123456789abcdefABCDEF:.");

    private static ReadOnlySpan<byte> Line => "PROXY "u8;

    private static ReadOnlySpan<byte> Signature => "\r\n\r\n\0\r\nQUIT\n"u8;

    /// <summary>Reads a header at the beginning of what came.</summary>
    /// <param name="buffer">What came so far.</param>
    /// <param name="header">The header, where valid.</param>
    /// <param name="end">Where it ends, where valid.</param>
    public static ProxyHeaderOutcome TryRead(ReadOnlySequence<byte> buffer, out ProxyHeader header, out SequencePosition end)
    {
        header = default;
        end = buffer.Start;
        Span<byte> copy = stackalloc byte[MaxLength];
        var bytes = copy[..(int)Math.Min(buffer.Length, MaxLength)];
        buffer.Slice(0, bytes.Length).CopyTo(bytes);
        var (outcome, length) = IsBeginOf(bytes, Line) ? ReadLine(bytes, out header)
            : IsBeginOf(bytes, Signature) ? ReadBinary(bytes, out header)
            : (ProxyHeaderOutcome.Invalid, 0);
        end = buffer.GetPosition(length);
        return outcome;
    }

    private static bool IsBeginOf(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> mark) =>
        bytes.Length < mark.Length ? mark.StartsWith(bytes) : bytes.StartsWith(mark);

    private static (ProxyHeaderOutcome Outcome, int Length) ReadLine(ReadOnlySpan<byte> bytes, out ProxyHeader header)
    {
        header = default;
        var end = bytes[..Math.Min(bytes.Length, MaxLine)].IndexOf("\r\n"u8);
        if (end < 0)
        {
            return (bytes.Length < MaxLine ? ProxyHeaderOutcome.Incomplete : ProxyHeaderOutcome.Invalid, 0);
        }

        var length = end + 2;
        if (!Ascii.IsValid(bytes[..end]))
        {
            return (ProxyHeaderOutcome.Invalid, 0);
        }

        var words = Encoding.ASCII.GetString(bytes[Line.Length..end]).Split(' ');
        if (words[0] == "UNKNOWN")
        {
            return (ProxyHeaderOutcome.Valid, length);
        }

        AddressFamily? family = words[0] switch { "TCP4" => AddressFamily.InterNetwork, "TCP6" => AddressFamily.InterNetworkV6, _ => null };
        if (words.Length != 5 || AddressOf(words[1], family) is not { } from || AddressOf(words[2], family) is not { } to
            || PortOf(words[3]) is not { } fromPort || PortOf(words[4]) is not { } toPort)
        {
            return (ProxyHeaderOutcome.Invalid, 0);
        }

        header = new ProxyHeader(new IPEndPoint(from, fromPort), new IPEndPoint(to, toPort));
        return (ProxyHeaderOutcome.Valid, length);
    }

    // The parser of addresses also takes "1", "0x7f.1" and scopes, which no balancer writes.
    private static IPAddress? AddressOf(string text, AddressFamily? family) =>
        text.AsSpan().IndexOfAnyExcept(s_ofAddresses) < 0 && IPAddress.TryParse(text, out var address) && address.AddressFamily == family
            && (family == AddressFamily.InterNetworkV6 || address.ToString() == text)
            ? address
            : null;

    private static int? PortOf(string text) =>
        ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && (text.Length == 1 || text[0] != '0') ? port : null;

    private static (ProxyHeaderOutcome Outcome, int Length) ReadBinary(ReadOnlySpan<byte> bytes, out ProxyHeader header)
    {
        header = default;
        if (bytes.Length < FixedLength)
        {
            return (ProxyHeaderOutcome.Incomplete, 0);
        }

        var (version, command, family) = (bytes[12] >> 4, bytes[12] & 0xf, bytes[13]);
        var length = FixedLength + BinaryPrimitives.ReadUInt16BigEndian(bytes[14..]);
        if (version != 2 || command > 1 || family >> 4 > 3 || (family & 0xf) > 2 || length > MaxLength)
        {
            return (ProxyHeaderOutcome.Invalid, 0);
        }

        if (bytes.Length < length)
        {
            return (ProxyHeaderOutcome.Incomplete, 0);
        }

        // LOCAL: the balancer's own connection, as its health check. UNSPEC, datagrams and unix sockets: no address of a client's TCP connection.
        var size = command == 0 ? 0 : family switch { 0x11 => 4, 0x21 => 16, _ => 0 };
        if (size == 0)
        {
            return (ProxyHeaderOutcome.Valid, length);
        }

        var addresses = bytes[FixedLength..length];
        if (addresses.Length < (2 * size) + 4)
        {
            return (ProxyHeaderOutcome.Invalid, 0);
        }

        header = new ProxyHeader(
            new IPEndPoint(new IPAddress(addresses[..size]), BinaryPrimitives.ReadUInt16BigEndian(addresses[(2 * size)..])),
            new IPEndPoint(new IPAddress(addresses.Slice(size, size)), BinaryPrimitives.ReadUInt16BigEndian(addresses[((2 * size) + 2)..])));
        return (ProxyHeaderOutcome.Valid, length);
    }
}
