using System.Diagnostics.Metrics;
using Plane.Dns.Protocol;

namespace Plane.Dns.Server;

/// <summary>
/// Answers one message: authoritative for one zone, in which <c>&lt;cluster&gt;.&lt;zone&gt;</c> has the cluster's TXT values (the operator points
/// <c>_acme-challenge.&lt;cluster&gt;</c> there by CNAME).
/// <para>
/// A name below the zone that a cluster could have exists, with or without values: "no such name" would also deny everything below it (RFC 8020), and
/// resolvers that ask label by label (RFC 9156) begin with such a name.
/// </para>
/// </summary>
internal sealed class DnsResponder
{
    /// <summary>What fits in one unfragmented datagram on common paths (DNS Flag Day 2020).</summary>
    public const int UdpLimit = 1232;

    private const uint Ttl = 1;
    private const uint ApexTtl = 3600;

    private readonly TxtSource _source;
    private readonly DomainName _zone;
    private readonly byte[] _ns;
    private readonly byte[] _soa;
    private readonly Counter<long> _answers;

    public DnsResponder(TxtSource source, DnsOptions options, IMeterFactory meters)
    {
        _source = source;
        _zone = DomainName.Parse(options.Zone);
        var server = DomainName.Parse(options.NameServer.Length > 0 ? options.NameServer : "ns." + options.Zone);
        var mailbox = DomainName.Parse("hostmaster." + options.Zone);
        _ns = server.Wire.ToArray();

        // Nobody transfers this zone, so the serial never has to move; a minimum of 1 s keeps "no such value" from being remembered.
        _soa = DnsWriter.Soa(server, mailbox, serial: 1, refresh: 7200, retry: 900, expire: 1_209_600, minimum: Ttl);
        _answers = meters.Create("plane.dns").CreateCounter<long>("plane.dns.answers", "{answer}", "Answers by response code.");
    }

    /// <summary>Writes the answer and returns its length; 0 where there is none to send.</summary>
    public async ValueTask<int> RespondAsync(ReadOnlyMemory<byte> message, Memory<byte> answer, bool isUdp, CancellationToken cancellationToken)
    {
        var problem = DnsQuery.TryRead(message.Span, out var query);
        if (query is null)
        {
            return 0;
        }

        var limit = isUdp ? Math.Min(query.UdpSize, UdpLimit) : answer.Length;
        var target = answer[..limit];
        if (problem != ResponseCode.NoError)
        {
            return Finish(problem, Plain(query, message.Span, target.Span, problem));
        }

        if (query.HasEdns && query.EdnsVersion > 0)
        {
            return Finish(ResponseCode.BadVersion, Plain(query, message.Span, target.Span, ResponseCode.BadVersion));
        }

        if (query.Class != DnsQuery.ClassIn || !query.Name.TryStrip(_zone, out var labels))
        {
            return Finish(ResponseCode.Refused, Plain(query, message.Span, target.Span, ResponseCode.Refused));
        }

        if (labels.Length == 0)
        {
            return Finish(ResponseCode.NoError, Apex(query, message.Span, target.Span));
        }

        if (!ClusterName.TryParse(labels, out var cluster) || cluster.HasPort)
        {
            return Finish(ResponseCode.NameError, Empty(query, message.Span, target.Span, ResponseCode.NameError));
        }

        if (query.Type is not (RecordType.Txt or RecordType.Any))
        {
            return Finish(ResponseCode.NoError, Empty(query, message.Span, target.Span, ResponseCode.NoError));
        }

        var values = await _source.ReadAsync(cluster, cancellationToken).ConfigureAwait(false);
        return values switch
        {
            null => Finish(ResponseCode.ServerFailure, Plain(query, message.Span, target.Span, ResponseCode.ServerFailure)),
            [] => Finish(ResponseCode.NoError, Empty(query, message.Span, target.Span, ResponseCode.NoError)),
            _ => Finish(ResponseCode.NoError, Values(query, message.Span, target.Span, values)),
        };
    }

    private int Finish(ResponseCode code, int length)
    {
        _answers.Add(1, new KeyValuePair<string, object?>("code", code.ToString()));
        return length;
    }

    private static int Plain(DnsQuery query, ReadOnlySpan<byte> message, Span<byte> target, ResponseCode code)
    {
        var writer = new DnsWriter(Room(query, target));
        writer.Begin(query, message, code, authoritative: false);
        return End(query, target, ref writer, code);
    }

    private int Empty(DnsQuery query, ReadOnlySpan<byte> message, Span<byte> target, ResponseCode code)
    {
        var writer = new DnsWriter(Room(query, target));
        writer.Begin(query, message, code, authoritative: true);
        writer.Record(1, _zone, RecordType.Soa, Ttl, _soa);
        return End(query, target, ref writer, code);
    }

    private int Apex(DnsQuery query, ReadOnlySpan<byte> message, Span<byte> target)
    {
        var writer = new DnsWriter(Room(query, target));
        writer.Begin(query, message, ResponseCode.NoError, authoritative: true);
        var found = false;
        if (query.Type is RecordType.Soa or RecordType.Any)
        {
            writer.Record(0, null, RecordType.Soa, ApexTtl, _soa);
            found = true;
        }

        if (query.Type is RecordType.Ns or RecordType.Any)
        {
            writer.Record(0, null, RecordType.Ns, ApexTtl, _ns);
            found = true;
        }

        if (!found)
        {
            writer.Record(1, _zone, RecordType.Soa, Ttl, _soa);
        }

        return End(query, target, ref writer, ResponseCode.NoError);
    }

    private static int Values(DnsQuery query, ReadOnlySpan<byte> message, Span<byte> target, string[] values)
    {
        var writer = new DnsWriter(Room(query, target));
        writer.Begin(query, message, ResponseCode.NoError, authoritative: true);
        foreach (var value in values)
        {
            writer.Record(0, null, RecordType.Txt, Ttl, DnsWriter.CharacterString(value));
        }

        if (writer.Overflowed)
        {
            // A part of a record set would be taken for the whole: none, and the asker comes back over TCP (RFC 2181 section 9).
            writer.Begin(query, message, ResponseCode.NoError, authoritative: true);
            writer.Truncated();
        }

        return End(query, target, ref writer, ResponseCode.NoError);
    }

    private static Span<byte> Room(DnsQuery query, Span<byte> target) => query.HasEdns ? target[..^DnsWriter.EdnsLength] : target;

    private static int End(DnsQuery query, Span<byte> target, ref DnsWriter writer, ResponseCode code)
    {
        if (!query.HasEdns)
        {
            return writer.Length;
        }

        var whole = new DnsWriter(target, writer.Length);
        whole.Edns(code, UdpLimit);
        return whole.Length;
    }
}
