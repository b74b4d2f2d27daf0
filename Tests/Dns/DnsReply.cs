using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Text;
using Plane.DnsHost.Protocol;

namespace Plane.Tests.Dns;

/// <summary>One record of an answer.</summary>
/// <param name="Name">Its owner.</param>
/// <param name="Type">Its type.</param>
/// <param name="Ttl">Its time to live.</param>
/// <param name="Data">Its data as zone files write it, names without compression.</param>
internal sealed record DnsRecord(DomainName Name, RecordType Type, uint Ttl, string Data)
{
    /// <summary>The name that the data is, of an NS or CNAME record.</summary>
    public DomainName? Target { get; init; }

    /// <summary>The data of a CAA record.</summary>
    public (byte Flags, string Tag, string Value)? Caa { get; init; }

    /// <summary>The address, of an A or AAAA record.</summary>
    public IPAddress? Address { get; init; }
}

/// <summary>An answer, read with suspicion: whoever answers is a stranger.</summary>
internal sealed class DnsReply
{
    public ushort Id { get; private init; }

    public bool IsAnswer { get; private init; }

    public int OpCode { get; private init; }

    public bool IsAuthoritative { get; private init; }

    public bool IsTruncated { get; private init; }

    public bool RecursionDesired { get; private init; }

    public ResponseCode Code { get; private set; }

    /// <summary>Name, type and class as they were asked; null where the answer repeats none.</summary>
    public (DomainName Name, RecordType Type, ushort Class)? Question { get; private set; }

    public IReadOnlyList<DnsRecord> Answers { get; private set; } = [];

    public IReadOnlyList<DnsRecord> Authority { get; private set; } = [];

    public IReadOnlyList<DnsRecord> Additional { get; private set; } = [];

    /// <summary>The OPT record: its size, version and DO bit; null where there is none.</summary>
    public (int UdpSize, int Version, bool DnssecOk)? Edns { get; private set; }

    public static DnsReply? TryRead(ReadOnlySpan<byte> message)
    {
        if (message.Length < DnsQuery.HeaderLength)
        {
            return null;
        }

        var reply = new DnsReply
        {
            Id = BinaryPrimitives.ReadUInt16BigEndian(message),
            IsAnswer = (message[2] & 0x80) != 0,
            OpCode = (message[2] >> 3) & 0xF,
            IsAuthoritative = (message[2] & 4) != 0,
            IsTruncated = (message[2] & 2) != 0,
            RecursionDesired = (message[2] & 1) != 0,
            Code = (ResponseCode)(message[3] & 0xF),
        };
        var at = DnsQuery.HeaderLength;
        int Count(ReadOnlySpan<byte> m, int offset) => BinaryPrimitives.ReadUInt16BigEndian(m[offset..]);
        var questions = Count(message, 4);
        if (questions > 1)
        {
            return null;
        }

        if (questions == 1)
        {
            if (!TryReadName(message, ref at, out var name) || at + 4 > message.Length)
            {
                return null;
            }

            reply.Question = (name, (RecordType)Count(message, at), (ushort)Count(message, at + 2));
            at += 4;
        }

        if (reply.ReadRecords(message, ref at, Count(message, 6)) is not { } answers
            || reply.ReadRecords(message, ref at, Count(message, 8)) is not { } authority
            || reply.ReadRecords(message, ref at, Count(message, 10)) is not { } additional
            || at != message.Length)
        {
            return null;
        }

        reply.Answers = answers;
        reply.Authority = authority;
        reply.Additional = additional;
        return reply;
    }

    private List<DnsRecord>? ReadRecords(ReadOnlySpan<byte> message, ref int at, int count)
    {
        var records = new List<DnsRecord>();
        for (; count > 0; count--)
        {
            if (!TryReadName(message, ref at, out var name) || at + 10 > message.Length)
            {
                return null;
            }

            var head = message[at..];
            var type = (RecordType)BinaryPrimitives.ReadUInt16BigEndian(head);
            var length = BinaryPrimitives.ReadUInt16BigEndian(head[8..]);
            var end = at + 10 + length;
            if (end > message.Length)
            {
                return null;
            }

            if (type == RecordType.Opt)
            {
                Edns = (BinaryPrimitives.ReadUInt16BigEndian(head[2..]), head[5], (head[6] & 0x80) != 0);
                Code = (ResponseCode)((int)Code | (head[4] << 4));
            }
            else if (ReadData(message[..end], at + 10, new DnsRecord(name, type, BinaryPrimitives.ReadUInt32BigEndian(head[4..]), "")) is { } record)
            {
                records.Add(record);
            }
            else
            {
                return null;
            }

            at = end;
        }

        return records;
    }

    private static DnsRecord? ReadData(ReadOnlySpan<byte> message, int at, DnsRecord record)
    {
        var data = message[at..];
        switch (record.Type)
        {
            case RecordType.A when data.Length == 4:
            case RecordType.Aaaa when data.Length == 16:
                var address = new IPAddress(data);
                return record with { Data = address.ToString(), Address = address };
            case RecordType.Ns or RecordType.Cname:
                return TryReadName(message, ref at, out var target) && at == message.Length
                    ? record with { Data = target.ToString(), Target = target }
                    : null;
            case RecordType.Soa:
                if (!TryReadName(message, ref at, out var server)
                    || !TryReadName(message, ref at, out var mailbox)
                    || at + 20 != message.Length)
                {
                    return null;
                }

                var numbers = new string[5];
                for (var i = 0; i < 5; i++)
                {
                    numbers[i] = BinaryPrimitives.ReadUInt32BigEndian(message[(at + (4 * i))..]).ToString(CultureInfo.InvariantCulture);
                }

                return record with { Data = $"{server} {mailbox} {string.Join(' ', numbers)}" };
            case RecordType.Txt:
                var text = new StringBuilder();
                for (; !data.IsEmpty; data = data[(1 + data[0])..])
                {
                    if (1 + data[0] > data.Length)
                    {
                        return null;
                    }

                    text.Append(text.Length > 0 ? " " : "").Append('"').Append(Encoding.Latin1.GetString(data.Slice(1, data[0]))).Append('"');
                }

                return record with { Data = text.ToString() };
            case RecordType.Caa when data.Length >= 2 && data.Length >= 2 + data[1]:
                var tag = Encoding.Latin1.GetString(data.Slice(2, data[1]));
                var value = Encoding.Latin1.GetString(data[(2 + data[1])..]);
                return record with { Data = $"{data[0]} {tag} \"{value}\"", Caa = (data[0], tag, value) };
            default:
                return record with { Data = Convert.ToHexString(data) };
        }
    }

    /// <summary>
    /// Reads a name of an answer, which may be compressed. Each pointer must lead further back than the one before it, so there is no loop.
    /// </summary>
    private static bool TryReadName(ReadOnlySpan<byte> message, ref int at, out DomainName name)
    {
        name = default;
        Span<byte> wire = stackalloc byte[DomainName.MaxLength];
        var length = 0;
        var from = at;
        var bound = at;
        var jumped = false;
        while (from < message.Length)
        {
            int label = message[from];
            if (label >= 0xC0)
            {
                if (from + 1 >= message.Length)
                {
                    return false;
                }

                var target = ((label & 0x3F) << 8) | message[from + 1];
                if (!jumped)
                {
                    at = from + 2;
                    jumped = true;
                }

                if (target >= bound)
                {
                    return false;
                }

                from = bound = target;
                continue;
            }

            if (label > 63 || length + 1 + label > DomainName.MaxLength || from + 1 + label > message.Length)
            {
                return false;
            }

            message.Slice(from, 1 + label).CopyTo(wire[length..]);
            length += 1 + label;
            from += 1 + label;
            if (label == 0)
            {
                at = jumped ? at : from;
                name = new DomainName(wire[..length].ToArray());
                return true;
            }
        }

        return false;
    }
}
