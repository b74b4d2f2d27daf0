using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Plane.DnsHost.Protocol;

namespace Plane.DnsHost.Server;

/// <summary>
/// What is always the same about the zone: its name, its name servers with their addresses, its start of authority.
/// </summary>
internal sealed class Zone
{
    // Serial, refresh, retry, expire, minimum. The zone is never transferred, so the serial never has to change; a
    // minimum of 1 s keeps "no such value" from being remembered (RFC 2308 section 4).
    private static readonly byte[] s_soaNumbers =
        [.. Octets(1), .. Octets(7_200), .. Octets(900), .. Octets(1_209_600), .. Octets(1)];

    public Zone(DnsOptions options)
    {
        Name = DomainName.Parse(options.Zone);
        Servers = [.. NameServerAddress.Group(options).Select(s => new Server(new ZoneName(s.Name, Name), s.Addresses))];
        Mailbox = new ZoneName(options.MailboxName(), Name);
    }

    public DomainName Name { get; }

    /// <summary>
    /// The name servers, the primary one first. Arrays, here and below: to walk along one allocates nothing.
    /// </summary>
    public Server[] Servers { get; }

    public ZoneName Mailbox { get; }

    /// <summary>What follows the two names in the data of the SOA record.</summary>
    public static ReadOnlySpan<byte> SoaNumbers => s_soaNumbers;

    /// <summary>The name server of the zone that has these labels in front of it, or null.</summary>
    public Server? FindServer(ReadOnlySpan<byte> labels)
    {
        foreach (var server in Servers)
        {
            if (server.Name.IsInZone && Ascii.EqualsIgnoreCase(server.Name.Labels, labels))
            {
                return server;
            }
        }

        return null;
    }

    private static byte[] Octets(uint number)
    {
        var octets = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(octets, number);
        return octets;
    }

    /// <summary>A name server.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Addresses">Its addresses, where the zone has to answer them.</param>
    internal sealed record Server(ZoneName Name, IReadOnlyList<IPAddress> Addresses)
    {
        public (RecordType Type, byte[] Data)[] AddressRecords { get; } =
        [
            .. Addresses.Select(a => (
                a.AddressFamily == AddressFamily.InterNetwork ? RecordType.A : RecordType.Aaaa, a.GetAddressBytes())),
        ];
    }
}
