using System.Buffers.Binary;

namespace Plane.DnsHost.Protocol;

/// <summary>
/// Writes the answer to one question into a buffer. The room of the OPT record is kept free from the beginning; a
/// record that no longer fits is left out whole, and <see cref="Overflowed"/> says so.
/// </summary>
internal ref struct DnsWriter
{
    /// <summary>The name at offset 12, the question's: a pointer to it (RFC 1035 section 4.1.4).</summary>
    public const ushort PointerToQuestion = 0xC000 | DnsQuery.HeaderLength;

    /// <summary>The octets of a record in front of its data, where its owner is a pointer.</summary>
    public const int RecordHeadLength = 12;

    /// <summary>The octets of an OPT record without options.</summary>
    private const int EdnsLength = 11;

    private readonly ReadOnlySpan<byte> _message;
    private readonly Span<byte> _buffer;
    private readonly int _room;
    private int _length;

    /// <param name="message">The question.</param>
    /// <param name="query">The question as it was read.</param>
    /// <param name="buffer">Room for the answer, as long as it may be.</param>
    public DnsWriter(ReadOnlySpan<byte> message, in DnsQuery query, Span<byte> buffer)
    {
        Query = query;
        _message = message;
        _buffer = buffer;
        _room = query.HasEdns ? buffer.Length - EdnsLength : buffer.Length;
    }

    public DnsQuery Query { get; }

    public ResponseCode Code { get; private set; }

    public bool Overflowed { get; private set; }

    /// <summary>
    /// The header without counts of records, and the question as it was asked. Discards what was written before.
    /// </summary>
    public void Begin(ResponseCode code, bool authoritative)
    {
        Code = code;
        Overflowed = false;
        _buffer[..DnsQuery.HeaderLength].Clear();
        _message[..2].CopyTo(_buffer);

        // Operation and RD come back as they were asked.
        _buffer[2] = (byte)(0x80 | (_message[2] & 0x79) | (authoritative ? 4 : 0));
        _buffer[3] = (byte)((int)code & 0xF);
        _length = DnsQuery.HeaderLength;
        if (Query.QuestionEnd > 0)
        {
            _buffer[5] = 1;
            _message[_length..Query.QuestionEnd].CopyTo(_buffer[_length..]);
            _length = Query.QuestionEnd;
        }
    }

    public readonly void Truncated() => _buffer[2] |= 2;

    /// <summary>Records that were composed before, with <see cref="PointerToQuestion"/> as their owner.</summary>
    public void Answers(ReadOnlySpan<byte> records, int count)
    {
        if (_length + records.Length > _room)
        {
            Overflowed = true;
            return;
        }

        records.CopyTo(_buffer[_length..]);
        _length += records.Length;
        Count(Section.Answer, count);
    }

    /// <summary>A record whose data are octets.</summary>
    public void Record(Section section, ushort owner, RecordType type, uint ttl, ReadOnlySpan<byte> data) =>
        Record(section, owner, type, ttl, 0, null, null, data);

    /// <summary>A record whose data begin with names.</summary>
    /// <param name="section">The section.</param>
    /// <param name="owner">The owner: a pointer into this message.</param>
    /// <param name="type">Its type.</param>
    /// <param name="ttl">Its time to live.</param>
    /// <param name="zoneAt">The offset of the zone's name in this message.</param>
    /// <param name="first">A name at the start of the data, or none.</param>
    /// <param name="second">A name behind it, or none.</param>
    /// <param name="rest">The rest of the data.</param>
    public void Record(
        Section section, ushort owner, RecordType type, uint ttl, int zoneAt, ZoneName? first, ZoneName? second, ReadOnlySpan<byte> rest)
    {
        var data = (first?.Length ?? 0) + (second?.Length ?? 0) + rest.Length;
        if (_length + RecordHeadLength + data > _room)
        {
            Overflowed = true;
            return;
        }

        var record = _buffer[_length..];
        WriteRecordHead(record, owner, type, ttl, data);
        var at = RecordHeadLength;
        at += first?.Write(record[at..], zoneAt) ?? 0;
        at += second?.Write(record[at..], zoneAt) ?? 0;
        rest.CopyTo(record[at..]);
        _length += RecordHeadLength + data;
        Count(section, 1);
    }

    /// <summary>Writes what precedes the data of a record.</summary>
    public static void WriteRecordHead(Span<byte> record, ushort owner, RecordType type, uint ttl, int dataLength)
    {
        BinaryPrimitives.WriteUInt16BigEndian(record, owner);
        BinaryPrimitives.WriteUInt16BigEndian(record[2..], (ushort)type);
        BinaryPrimitives.WriteUInt16BigEndian(record[4..], DnsQuery.ClassIn);
        BinaryPrimitives.WriteUInt32BigEndian(record[6..], ttl);
        BinaryPrimitives.WriteUInt16BigEndian(record[10..], (ushort)dataLength);
    }

    /// <summary>
    /// Adds the OPT record (RFC 6891 section 6.1.2) where the question had one, and returns the answer's length.
    /// </summary>
    public int End(ushort udpSize)
    {
        if (Query.HasEdns)
        {
            var record = _buffer.Slice(_length, EdnsLength);
            record.Clear();
            record[2] = (byte)RecordType.Opt;
            BinaryPrimitives.WriteUInt16BigEndian(record[3..], udpSize);
            record[5] = (byte)((int)Code >> 4);
            record[7] = (byte)(Query.DnssecOk ? 0x80 : 0);
            _length += EdnsLength;
            Count(Section.Additional, 1);
        }

        return _length;
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
