using System.Buffers.Binary;
using System.Text;

namespace Plane.Dns.Protocol;

/// <summary>Writes one answer into a buffer; what no longer fits is left out whole and <see cref="Overflowed"/> says so.</summary>
internal ref struct DnsWriter(Span<byte> buffer, int length = 0)
{
    /// <summary>The name at offset 12, the question's: a pointer to it (RFC 1035 section 4.1.4).</summary>
    private const ushort PointerToQuestion = 0xC000 | DnsQuery.HeaderLength;

    private readonly Span<byte> _buffer = buffer;

    public int Length { get; private set; } = length;

    public bool Overflowed { get; private set; }

    /// <summary>The header without counts, and the question as it was asked.</summary>
    public void Begin(DnsQuery query, ReadOnlySpan<byte> message, ResponseCode code, bool authoritative)
    {
        _buffer[..DnsQuery.HeaderLength].Clear();
        BinaryPrimitives.WriteUInt16BigEndian(_buffer, query.Id);
        _buffer[2] = (byte)(0x80 | (query.OpCode << 3) | (authoritative ? 4 : 0) | (query.RecursionDesired ? 1 : 0));
        _buffer[3] = (byte)((int)code & 0xF);
        Length = DnsQuery.HeaderLength;
        if (query.QuestionEnd > 0)
        {
            BinaryPrimitives.WriteUInt16BigEndian(_buffer[4..], 1);
            message[DnsQuery.HeaderLength..query.QuestionEnd].CopyTo(_buffer[Length..]);
            Length = query.QuestionEnd;
        }
    }

    public void Truncated() => _buffer[2] |= 2;

    /// <summary>A record at the question's name. <paramref name="section"/>: 0 answer, 1 authority.</summary>
    public void Record(int section, DomainName? owner, RecordType type, uint ttl, ReadOnlySpan<byte> data)
    {
        var ownerLength = owner is { } o ? o.Wire.Length : 2;
        if (Length + ownerLength + 10 + data.Length > _buffer.Length)
        {
            Overflowed = true;
            return;
        }

        if (owner is { } name)
        {
            name.Wire.CopyTo(_buffer[Length..]);
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(_buffer[Length..], PointerToQuestion);
        }

        var record = _buffer[(Length + ownerLength)..];
        BinaryPrimitives.WriteUInt16BigEndian(record, (ushort)type);
        BinaryPrimitives.WriteUInt16BigEndian(record[2..], DnsQuery.ClassIn);
        BinaryPrimitives.WriteUInt32BigEndian(record[4..], ttl);
        BinaryPrimitives.WriteUInt16BigEndian(record[8..], (ushort)data.Length);
        data.CopyTo(record[10..]);
        Length += ownerLength + 10 + data.Length;
        Count(6 + (2 * section));
    }

    /// <summary>The OPT record (RFC 6891 section 6.1.2); its room is kept free by the caller.</summary>
    public void Edns(ResponseCode code, ushort udpSize)
    {
        var record = _buffer.Slice(Length, EdnsLength);
        record.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(record[1..], (ushort)RecordType.Opt);
        BinaryPrimitives.WriteUInt16BigEndian(record[3..], udpSize);
        record[5] = (byte)((int)code >> 4);
        Length += EdnsLength;
        Count(10);
    }

    public const int EdnsLength = 11;

    private readonly void Count(int at) => BinaryPrimitives.WriteUInt16BigEndian(_buffer[at..], (ushort)(BinaryPrimitives.ReadUInt16BigEndian(_buffer[at..]) + 1));

    /// <summary>One character-string (RFC 1035 section 3.3).</summary>
    public static byte[] CharacterString(string value)
    {
        var data = new byte[1 + value.Length];
        data[0] = (byte)value.Length;
        Encoding.ASCII.GetBytes(value, data.AsSpan(1));
        return data;
    }

    /// <summary>SOA data (RFC 1035 section 3.3.13).</summary>
    public static byte[] Soa(DomainName server, DomainName mailbox, uint serial, uint refresh, uint retry, uint expire, uint minimum)
    {
        var data = new byte[server.Wire.Length + mailbox.Wire.Length + 20];
        server.Wire.CopyTo(data);
        mailbox.Wire.CopyTo(data.AsSpan(server.Wire.Length));
        var at = data.AsSpan(server.Wire.Length + mailbox.Wire.Length);
        BinaryPrimitives.WriteUInt32BigEndian(at, serial);
        BinaryPrimitives.WriteUInt32BigEndian(at[4..], refresh);
        BinaryPrimitives.WriteUInt32BigEndian(at[8..], retry);
        BinaryPrimitives.WriteUInt32BigEndian(at[12..], expire);
        BinaryPrimitives.WriteUInt32BigEndian(at[16..], minimum);
        return data;
    }
}
