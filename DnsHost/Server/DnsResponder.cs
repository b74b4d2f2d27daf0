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
/// <para>What is known already is answered at once and without allocating; any thread may call at any time.</para>
/// </summary>
internal sealed class DnsResponder
{
    /// <summary>What fits in one unfragmented datagram on common paths (DNS Flag Day 2020).</summary>
    public const int UdpLimit = 1232;

    private const uint ApexTtl = 3600;

    private readonly TxtSource _source;
    private readonly Zone _zone;
    private readonly Counter<long> _answers;

    // By code; the counter takes the tag without making a text of it again.
    private readonly KeyValuePair<string, object?>[] _codes =
        [.. Enumerable.Range(0, 17).Select(i => new KeyValuePair<string, object?>("code", ((ResponseCode)i).ToString()))];

    public DnsResponder(TxtSource source, Zone zone, IMeterFactory meters)
    {
        _source = source;
        _zone = zone;
        _answers = meters.Create("plane.dns").CreateCounter<long>("plane.dns.answers", "{answer}", "Answers by response code.");
    }

    /// <summary>Writes the answer and returns its length; 0 where there is none to send.</summary>
    /// <param name="message">The question.</param>
    /// <param name="answer">Room for <see cref="UdpLimit"/>, or over TCP for any answer.</param>
    /// <param name="isUdp">Whether the asker's limit counts.</param>
    /// <param name="pending">The values that it takes first, then for <see cref="Complete"/>; else null.</param>
    public int Respond(ReadOnlySpan<byte> message, Span<byte> answer, bool isUdp, out Task<TxtAnswer?>? pending)
    {
        pending = null;
        Span<byte> name = stackalloc byte[DomainName.MaxLength];
        if (!DnsQuery.Read(message, name, out var query, out var code))
        {
            return 0;
        }

        var writer = new DnsWriter(answer[..Limit(query, answer, isUdp)], query);
        if (code != ResponseCode.NoError)
        {
            return Plain(ref writer, query, message, code);
        }

        name = name[..query.NameLength];

        // Transfers and another class are no questions that this server has an answer to, whatever the name.
        if (query.Class != DnsQuery.ClassIn
            || query.Type is RecordType.Transfer or RecordType.IncrementalTransfer
            || !DomainName.EndsIn(name, _zone.Lower, out var length))
        {
            return Plain(ref writer, query, message, ResponseCode.Refused);
        }

        var labels = name[..length];
        if (length == 0)
        {
            return Apex(ref writer, query, message);
        }

        var server = _zone.FindServer(labels);
        var isCluster = TxtSource.IsCluster(labels);
        if (server is null && !isCluster)
        {
            return Nothing(ref writer, query, message, ResponseCode.NameError, length);
        }

        if (server is not null && query.Type is RecordType.A or RecordType.Aaaa)
        {
            return Addresses(ref writer, query, message, server!, query.Type, length);
        }

        // Any: here too one set of those there are.
        if (server is { AddressRecords: [var first, ..] } && query.Type == RecordType.Any)
        {
            return Addresses(ref writer, query, message, server, first.Type, length);
        }

        if (!isCluster || query.Type is not (RecordType.Txt or RecordType.Any))
        {
            return Nothing(ref writer, query, message, ResponseCode.NoError, length);
        }

        var values = _source.Read(labels);
        if (values.IsCompletedSuccessfully)
        {
            return Values(ref writer, query, message, values.Result, length);
        }

        pending = values;
        return 0;
    }

    /// <summary>The answer to a question whose values were waited for.</summary>
    public int Complete(ReadOnlySpan<byte> message, Span<byte> answer, bool isUdp, TxtAnswer? values)
    {
        Span<byte> name = stackalloc byte[DomainName.MaxLength];
        if (!DnsQuery.Read(message, name, out var query, out _) || !DomainName.EndsIn(name[..query.NameLength], _zone.Lower, out var length))
        {
            return 0;
        }

        var writer = new DnsWriter(answer[..Limit(query, answer, isUdp)], query);
        return Values(ref writer, query, message, values, length);
    }

    /// <summary>An answer that says no more than "ask again over TCP": as long as the question at the most. 0 where the message is no question.</summary>
    public static int Slip(ReadOnlySpan<byte> message, Span<byte> answer)
    {
        Span<byte> name = stackalloc byte[DomainName.MaxLength];
        if (!DnsQuery.Read(message, name, out var query, out var code) || code != ResponseCode.NoError)
        {
            return 0;
        }

        var writer = new DnsWriter(answer[..Limit(query, answer, isUdp: true)], query);
        writer.Begin(query, message, ResponseCode.NoError, authoritative: false);
        writer.Truncated();
        return writer.End(query, ResponseCode.NoError, UdpLimit);
    }

    private static int Limit(in DnsQuery query, Span<byte> answer, bool isUdp) => isUdp ? Math.Min(query.UdpSize, UdpLimit) : answer.Length;

    private int End(ref DnsWriter writer, in DnsQuery query, ResponseCode code)
    {
        _answers.Add(1, _codes[(int)code]);
        return writer.End(query, code, UdpLimit);
    }

    private int Plain(ref DnsWriter writer, in DnsQuery query, ReadOnlySpan<byte> message, ResponseCode code)
    {
        writer.Begin(query, message, code, authoritative: false);
        return End(ref writer, query, code);
    }

    /// <summary>No such name, or nothing of this type: the start of authority says for how long (RFC 2308).</summary>
    private int Nothing(ref DnsWriter writer, in DnsQuery query, ReadOnlySpan<byte> message, ResponseCode code, int labels)
    {
        writer.Begin(query, message, code, authoritative: true);
        Soa(ref writer, Section.Authority, TxtAnswer.Ttl, labels);
        return End(ref writer, query, code);
    }

    private int Apex(ref DnsWriter writer, in DnsQuery query, ReadOnlySpan<byte> message)
    {
        // Any: one record set of those there are (RFC 8482 section 4.1).
        if (query.Type is RecordType.Soa or RecordType.Any)
        {
            writer.Begin(query, message, ResponseCode.NoError, authoritative: true);
            Soa(ref writer, Section.Answer, ApexTtl, 0);
            return EndOrTruncate(ref writer, query, message);
        }

        if (query.Type != RecordType.Ns)
        {
            return Nothing(ref writer, query, message, ResponseCode.NoError, 0);
        }

        writer.Begin(query, message, ResponseCode.NoError, authoritative: true);
        foreach (var server in _zone.Servers)
        {
            writer.Record(Section.Answer, DnsWriter.PointerToQuestion, RecordType.Ns, ApexTtl, DnsQuery.HeaderLength, server.Name, null, []);
        }

        if (writer.Overflowed)
        {
            return EndOrTruncate(ref writer, query, message);
        }

        // The servers' addresses, as far as there is room: they can be asked for (RFC 2181 section 9). Each server's name is the data of its record above.
        var at = query.QuestionEnd;
        foreach (var server in _zone.Servers)
        {
            var owner = (ushort)(0xC000 | (at + 12));
            foreach (var (type, data) in server.AddressRecords)
            {
                writer.Record(Section.Additional, owner, type, ApexTtl, 0, null, null, data);
            }

            at += 12 + server.Name.Length;
        }

        return End(ref writer, query, ResponseCode.NoError);
    }

    private int Addresses(ref DnsWriter writer, in DnsQuery query, ReadOnlySpan<byte> message, Zone.Server server, RecordType wanted, int labels)
    {
        writer.Begin(query, message, ResponseCode.NoError, authoritative: true);
        var found = false;
        foreach (var (type, data) in server.AddressRecords)
        {
            if (type == wanted)
            {
                writer.Record(Section.Answer, DnsWriter.PointerToQuestion, type, ApexTtl, 0, null, null, data);
                found = true;
            }
        }

        return found ? EndOrTruncate(ref writer, query, message) : Nothing(ref writer, query, message, ResponseCode.NoError, labels);
    }

    private int Values(ref DnsWriter writer, in DnsQuery query, ReadOnlySpan<byte> message, TxtAnswer? values, int labels)
    {
        switch (values)
        {
            case null:
                return Plain(ref writer, query, message, ResponseCode.ServerFailure);
            case { Count: 0 }:
                return Nothing(ref writer, query, message, ResponseCode.NoError, labels);
            default:
                writer.Begin(query, message, ResponseCode.NoError, authoritative: true);
                writer.Answers(values.Records, values.Count);
                return EndOrTruncate(ref writer, query, message);
        }
    }

    /// <summary>A part of a record set would be taken for the whole: none instead, and the asker comes back over TCP (RFC 2181 section 9).</summary>
    private int EndOrTruncate(ref DnsWriter writer, in DnsQuery query, ReadOnlySpan<byte> message)
    {
        if (writer.Overflowed)
        {
            writer.Begin(query, message, ResponseCode.NoError, authoritative: true);
            writer.Truncated();
        }

        return End(ref writer, query, ResponseCode.NoError);
    }

    private void Soa(ref DnsWriter writer, Section section, uint ttl, int labels)
    {
        var zoneAt = DnsQuery.HeaderLength + labels;
        writer.Record(
            section, (ushort)(0xC000 | zoneAt), RecordType.Soa, ttl, zoneAt, _zone.Servers[0].Name, _zone.Mailbox, _zone.SoaNumbers);
    }
}
