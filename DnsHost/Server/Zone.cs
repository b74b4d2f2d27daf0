using System.Buffers.Binary;
using System.Net;
using Plane.Dns.Protocol;

namespace Plane.Dns.Server;

/// <summary>What is always the same about the zone: its name, its name servers with their addresses, its start of authority.</summary>
internal sealed class Zone
{
    private readonly byte[] _numbers;

    public Zone(DnsOptions options)
    {
        Name = DomainName.Parse(options.Zone);
        Lower = [.. Name.Wire.ToArray().Select(b => (byte)char.ToLowerInvariant((char)b))];
        Servers = [.. NameServerAddress.Group(options).Select(s => new Server(new ZoneName(s.Name, Name), s.Addresses))];
        Mailbox = new ZoneName(options.MailboxName(), Name);

        // Serial, refresh, retry, expire, minimum. Nobody transfers this zone, so the serial never has to move; a minimum of 1 s keeps "no such value" from
        // being remembered (RFC 2308 section 4).
        _numbers = new byte[20];
        uint[] numbers = [1, 7_200, 900, 1_209_600, 1];
        for (var i = 0; i < numbers.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(_numbers.AsSpan(4 * i), numbers[i]);
        }
    }

    public DomainName Name { get; }

    /// <summary>The name in wire form and lower case.</summary>
    public byte[] Lower { get; }

    /// <summary>The name servers, the primary one first. Arrays, here and below: to walk along one allocates nothing.</summary>
    public Server[] Servers { get; }

    public ZoneName Mailbox { get; }

    /// <summary>What follows the two names in the data of the SOA record.</summary>
    public ReadOnlySpan<byte> SoaNumbers => _numbers;

    /// <summary>The name server of the zone that has these labels in front of it, or null.</summary>
    public Server? FindServer(ReadOnlySpan<byte> lowerLabels)
    {
        foreach (var server in Servers)
        {
            if (server.Name.IsInZone && server.LowerLabels.AsSpan().SequenceEqual(lowerLabels))
            {
                return server;
            }
        }

        return null;
    }

    /// <summary>A name server.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Addresses">Its addresses, where the zone has to tell them.</param>
    internal sealed record Server(ZoneName Name, IReadOnlyList<IPAddress> Addresses)
    {
        public byte[] LowerLabels { get; } = [.. Name.Labels.ToArray().Select(b => (byte)char.ToLowerInvariant((char)b))];

        public (RecordType Type, byte[] Data)[] AddressRecords { get; } =
        [
            .. Addresses.Select(a => (
                a.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? RecordType.A : RecordType.Aaaa, a.GetAddressBytes())),
        ];
    }
}
