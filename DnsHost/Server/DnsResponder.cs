using System.Diagnostics.Metrics;
using Plane.DnsHost.Protocol;

namespace Plane.DnsHost.Server;

/// <summary>
/// Answers one message: authoritative for one zone, in which <c>&lt;cluster&gt;.&lt;zone&gt;</c> has the cluster's TXT
/// values (the operator points
/// <c>_acme-challenge.&lt;cluster&gt;</c> there by CNAME).
/// <para>
/// A name below the zone that a cluster could have exists, with or without values: "no such name" would also deny
/// everything below it (RFC 8020), and resolvers that ask label by label (RFC 9156) begin with such a name.
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
    /// <param name="isUdp">Whether the client's limit counts.</param>
    /// <param name="pending">
    /// The values that have to be waited for first, then for <see cref="Complete"/>; else null.
    /// </param>
    public int Respond(ReadOnlySpan<byte> message, Span<byte> answer, bool isUdp, out Task<TxtAnswer?>? pending)
    {
        pending = null;
        Span<byte> name = stackalloc byte[DomainName.MaxLength];
        if (!DnsQuery.Read(message, name, out var query, out var code))
        {
            return 0;
        }

        var writer = Writer(message, query, answer, isUdp);
        if (code != ResponseCode.NoError)
        {
            return Plain(ref writer, code);
        }

        // Transfers and other classes have no answer here, whatever the name.
        name = name[..query.NameLength];
        if (query.Class != DnsQuery.ClassIn
            || query.Type is RecordType.Transfer or RecordType.IncrementalTransfer
            || !DomainName.EndsIn(name, _zone.Name.Wire, out var length))
        {
            return Plain(ref writer, ResponseCode.Refused);
        }

        var labels = name[..length];
        if (labels.IsEmpty)
        {
            return Apex(ref writer);
        }

        var server = _zone.FindServer(labels);
        if (server is not null
            && query.Type is RecordType.A or RecordType.Aaaa or RecordType.Any
            && Addresses(ref writer, server) is > 0 and var written)
        {
            return written;
        }

        if (!TxtSource.IsCluster(labels))
        {
            return Nothing(ref writer, server is null ? ResponseCode.NameError : ResponseCode.NoError, length);
        }

        if (query.Type is not (RecordType.Txt or RecordType.Any))
        {
            return Nothing(ref writer, ResponseCode.NoError, length);
        }

        var values = _source.Read(labels);
        if (values.IsCompletedSuccessfully)
        {
            return Values(ref writer, values.Result, length);
        }

        pending = values;
        return 0;
    }

    /// <summary>The answer to a question whose values were waited for.</summary>
    public int Complete(ReadOnlySpan<byte> message, Span<byte> answer, bool isUdp, TxtAnswer? values)
    {
        Span<byte> name = stackalloc byte[DomainName.MaxLength];
        if (!DnsQuery.Read(message, name, out var query, out _)
            || !DomainName.EndsIn(name[..query.NameLength], _zone.Name.Wire, out var length))
        {
            return 0;
        }

        var writer = Writer(message, query, answer, isUdp);
        return Values(ref writer, values, length);
    }

    /// <summary>
    /// An empty answer that makes the client retry over TCP: at most as long as the question. 0 where the
    /// message is not a question.
    /// </summary>
    public static int Slip(ReadOnlySpan<byte> message, Span<byte> answer)
    {
        Span<byte> name = stackalloc byte[DomainName.MaxLength];
        if (!DnsQuery.Read(message, name, out var query, out var code) || code != ResponseCode.NoError)
        {
            return 0;
        }

        var writer = Writer(message, query, answer, isUdp: true);
        writer.Begin(ResponseCode.NoError, authoritative: false);
        writer.Truncated();
        return writer.End(UdpLimit);
    }

    private static DnsWriter Writer(ReadOnlySpan<byte> message, in DnsQuery query, Span<byte> answer, bool isUdp) =>
        new(message, query, isUdp ? answer[..Math.Min(query.UdpSize, UdpLimit)] : answer);

    private int End(ref DnsWriter writer)
    {
        _answers.Add(1, _codes[(int)writer.Code]);
        return writer.End(UdpLimit);
    }

    /// <summary>
    /// A part of a record set would be taken for the whole: none instead, and the client comes back over TCP (RFC 2181
    /// section 9).
    /// </summary>
    private int EndOrTruncate(ref DnsWriter writer)
    {
        if (writer.Overflowed)
        {
            writer.Begin(ResponseCode.NoError, authoritative: true);
            writer.Truncated();
        }

        return End(ref writer);
    }

    private int Plain(ref DnsWriter writer, ResponseCode code)
    {
        writer.Begin(code, authoritative: false);
        return End(ref writer);
    }

    /// <summary>No such name, or nothing of this type: the start of authority says for how long (RFC 2308).</summary>
    private int Nothing(ref DnsWriter writer, ResponseCode code, int labels)
    {
        writer.Begin(code, authoritative: true);
        Soa(ref writer, Section.Authority, TxtAnswer.Ttl, labels);
        return End(ref writer);
    }

    private int Apex(ref DnsWriter writer)
    {
        // Any: one record set of those there are (RFC 8482 section 4.1).
        if (writer.Query.Type is RecordType.Soa or RecordType.Any)
        {
            writer.Begin(ResponseCode.NoError, authoritative: true);
            Soa(ref writer, Section.Answer, ApexTtl, 0);
            return EndOrTruncate(ref writer);
        }

        if (writer.Query.Type != RecordType.Ns)
        {
            return Nothing(ref writer, ResponseCode.NoError, 0);
        }

        writer.Begin(ResponseCode.NoError, authoritative: true);
        foreach (var server in _zone.Servers)
        {
            writer.Record(Section.Answer, DnsWriter.PointerToQuestion, RecordType.Ns, ApexTtl, DnsQuery.HeaderLength, server.Name, null, []);
        }

        if (writer.Overflowed)
        {
            return EndOrTruncate(ref writer);
        }

        // The servers' addresses, as far as there is room: they can be asked for (RFC 2181 section 9). Each server's
        // name is the data of its record above.
        var at = writer.Query.QuestionEnd;
        foreach (var server in _zone.Servers)
        {
            at += DnsWriter.RecordHeadLength;
            foreach (var (type, data) in server.AddressRecords)
            {
                writer.Record(Section.Additional, (ushort)(0xC000 | at), type, ApexTtl, data);
            }

            at += server.Name.Length;
        }

        return End(ref writer);
    }

    /// <summary>
    /// A name server's addresses of the type asked for, of any type those of one; 0 where it has none.
    /// </summary>
    private int Addresses(ref DnsWriter writer, Zone.Server server)
    {
        var asked = writer.Query.Type;
        var wanted = asked == RecordType.Any && server.AddressRecords is [var (one, _), ..] ? one : asked;
        var found = false;
        writer.Begin(ResponseCode.NoError, authoritative: true);
        foreach (var (type, data) in server.AddressRecords)
        {
            if (type == wanted)
            {
                writer.Record(Section.Answer, DnsWriter.PointerToQuestion, type, ApexTtl, data);
                found = true;
            }
        }

        return found ? EndOrTruncate(ref writer) : 0;
    }

    private int Values(ref DnsWriter writer, TxtAnswer? values, int labels)
    {
        if (values is null)
        {
            return Plain(ref writer, ResponseCode.ServerFailure);
        }

        if (values.Count == 0)
        {
            return Nothing(ref writer, ResponseCode.NoError, labels);
        }

        writer.Begin(ResponseCode.NoError, authoritative: true);
        writer.Answers(values.Records, values.Count);
        return EndOrTruncate(ref writer);
    }

    private void Soa(ref DnsWriter writer, Section section, uint ttl, int labels)
    {
        var zoneAt = DnsQuery.HeaderLength + labels;
        writer.Record(
            section, (ushort)(0xC000 | zoneAt), RecordType.Soa, ttl, zoneAt, _zone.Servers[0].Name, _zone.Mailbox, Zone.SoaNumbers);
    }
}
