using System.Buffers.Binary;

namespace Plane.Dns.Protocol;

/// <summary>
/// Writes one answer into a buffer. The room of the OPT record is kept free from the beginning; what no longer fits is left out whole, and
/// <see cref="Overflowed"/> says so.
/// </summary>
internal ref struct DnsWriter
{
    /// <summary>The octets of an OPT record without options.</summary>
    public const int EdnsLength = 11;

    /// <summary>The name at offset 12, the question's: a pointer to it (RFC 1035 section 4.1.4).</summary>
    public const ushort PointerToQuestion = 0xC000 | DnsQuery.HeaderLength;

    private readonly Span<byte> _buffer;
    private readonly int _room;

    public DnsWriter(Span<byte> buffer, in DnsQuery query)
    {
        _buffer = buffer;
        _room = query.HasEdns ? buffer.Length - EdnsLength : buffer.Length;
    }

    public int Length { get; private set; }

    public bool Overflowed { get; private set; }

    /// <summary>The header without counts of records, and the question as it was asked.</summary>
    public void Begin(in DnsQuery query, ReadOnlySpan<byte> message, ResponseCode code, bool authoritative)
    {
        Overflowed = false;
        _buffer[..DnsQuery.HeaderLength].Clear();
        BinaryPrimitives.WriteUInt16BigEndian(_buffer, query.Id);
        _buffer[2] = (byte)(0x80 | (query.OpCode << 3) | (authoritative ? 4 : 0) | (query.RecursionDesired ? 1 : 0));
        _buffer[3] = (byte)((int)code & 0xF);
        Length = DnsQuery.HeaderLength;
        if (query.QuestionEnd > 0)
        {
            _buffer[5] = 1;
            message[DnsQuery.HeaderLength..query.QuestionEnd].CopyTo(_buffer[Length..]);
            Length = query.QuestionEnd;
        }
    }

    public readonly void Truncated() => _buffer[2] |= 2;

    /// <summary>Records that were composed before, with <see cref="PointerToQuestion"/> as their owner.</summary>
    public void Answers(ReadOnlySpan<byte> records, int count)
    {
        if (Length + records.Length > _room)
        {
            Overflowed = true;
            return;
        }

        records.CopyTo(_buffer[Length..]);
        Length += records.Length;
        Count(Section.Answer, count);
    }

    /// <summary>A record whose owner and data are names, or data, of a zone that begins at an offset of this message.</summary>
    /// <param name="section">Where it belongs.</param>
    /// <param name="owner">The owner: a pointer into this message.</param>
    /// <param name="type">Its type.</param>
    /// <param name="ttl">Its time to live.</param>
    /// <param name="zoneAt">Where the zone's name stands.</param>
    /// <param name="first">A name at the start of the data, or none.</param>
    /// <param name="second">A name behind it, or none.</param>
    /// <param name="rest">The rest of the data.</param>
    public void Record(
        Section section, ushort owner, RecordType type, uint ttl, int zoneAt, ZoneName? first, ZoneName? second, ReadOnlySpan<byte> rest)
    {
        var data = (first?.Length ?? 0) + (second?.Length ?? 0) + rest.Length;
        if (Length + 12 + data > _room)
        {
            Overflowed = true;
            return;
        }

        var record = _buffer[Length..];
        BinaryPrimitives.WriteUInt16BigEndian(record, owner);
        BinaryPrimitives.WriteUInt16BigEndian(record[2..], (ushort)type);
        BinaryPrimitives.WriteUInt16BigEndian(record[4..], DnsQuery.ClassIn);
        BinaryPrimitives.WriteUInt32BigEndian(record[6..], ttl);
        BinaryPrimitives.WriteUInt16BigEndian(record[10..], (ushort)data);
        var at = 12;
        at += first?.Write(record[at..], zoneAt) ?? 0;
        at += second?.Write(record[at..], zoneAt) ?? 0;
        rest.CopyTo(record[at..]);
        Length += at + rest.Length;
        Count(section, 1);
    }

    /// <summary>The OPT record (RFC 6891 section 6.1.2) where the question had one; its room was kept.</summary>
    public int End(in DnsQuery query, ResponseCode code, ushort udpSize)
    {
        if (query.HasEdns)
        {
            var record = _buffer.Slice(Length, EdnsLength);
            record.Clear();
            record[2] = (byte)RecordType.Opt;
            BinaryPrimitives.WriteUInt16BigEndian(record[3..], udpSize);
            record[5] = (byte)((int)code >> 4);
            record[7] = (byte)(query.DnssecOk ? 0x80 : 0);
            Length += EdnsLength;
            Count(Section.Additional, 1);
        }

        return Length;
    }

    private readonly void Count(Section section, int count)
    {
        var at = _buffer[(int)section..];
        BinaryPrimitives.WriteUInt16BigEndian(at, (ushort)(BinaryPrimitives.ReadUInt16BigEndian(at) + count));
    }
}

/// <summary>The sections of an answer, each with the offset of its count in the header.</summary>
internal enum Section
{
    Answer = 6,
    Authority = 8,
    Additional = 10,
}
