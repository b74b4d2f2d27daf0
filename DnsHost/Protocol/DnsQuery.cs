using System.Buffers.Binary;

namespace Plane.DnsHost.Protocol;

/// <summary>
/// A question as it came in, read without allocating. Everything in it is hostile until <see cref="Read"/> has passed
/// it.
/// </summary>
internal struct DnsQuery
{
    /// <summary>Internet (RFC 1035 section 3.2.4).</summary>
    public const ushort ClassIn = 1;

    public const int HeaderLength = 12;

    /// <summary>
    /// The longest question that is read. A name takes 255 octets, and the rest of a question (cookies, padding, a
    /// signature) some hundreds. A question that waits for its values holds so much memory.
    /// </summary>
    public const int MaxMessage = 4096;

    public RecordType Type { get; private set; }

    public ushort Class { get; private set; }

    /// <summary>The octets of the name, lengths and root included.</summary>
    public int NameLength { get; private set; }

    /// <summary>
    /// The length of header and question, which the answer repeats as they came: the case asked in is kept. 0 where
    /// there is no readable question.
    /// </summary>
    public int QuestionEnd { get; private set; }

    public bool HasEdns { get; private set; }

    public int EdnsVersion { get; private set; }

    /// <summary>
    /// Whether signatures are welcome: repeated in the answer (RFC 3225 section 3), though there are none.
    /// </summary>
    public bool DnssecOk { get; private set; }

    /// <summary>
    /// The largest UDP answer that the client takes: 512 without EDNS, and never less (RFC 6891 section 6.2.3).
    /// </summary>
    public int UdpSize { get; private set; }

    /// <summary>Reads a message.</summary>
    /// <param name="message">The message.</param>
    /// <param name="name">Receives the name in lower case; room for <see cref="DomainName.MaxLength"/> octets.</param>
    /// <param name="query">What could be read.</param>
    /// <param name="code">The code to refuse it with, or <see cref="ResponseCode.NoError"/>.</param>
    /// <returns>
    /// Whether there is anything to answer: not to what is too short for a header, and never to an answer, or two
    /// servers would talk forever.
    /// </returns>
    public static bool Read(ReadOnlySpan<byte> message, Span<byte> name, out DnsQuery query, out ResponseCode code)
    {
        query = new DnsQuery { UdpSize = 512 };
        code = ResponseCode.FormatError;
        if (message.Length < HeaderLength || (message[2] & 0x80) != 0)
        {
            return false;
        }

        if ((message[2] & 0x78) != 0)
        {
            code = ResponseCode.NotImplemented;
            return true;
        }

        // One question, and no records but additional ones (RFC 9619 for the first).
        var at = HeaderLength;
        if (message.Length > MaxMessage
            || BinaryPrimitives.ReadUInt64BigEndian(message[4..]) >> 16 != 0x0001_0000_0000
            || !DomainName.TryReadLower(message, ref at, name, out var length)
            || at + 4 > message.Length)
        {
            return true;
        }

        query.NameLength = length;
        query.Type = (RecordType)BinaryPrimitives.ReadUInt16BigEndian(message[at..]);
        query.Class = BinaryPrimitives.ReadUInt16BigEndian(message[(at + 2)..]);
        query.QuestionEnd = at + 4;
        if (query.ReadAdditional(message, at + 4, BinaryPrimitives.ReadUInt16BigEndian(message[10..])))
        {
            code = query.EdnsVersion > 0 ? ResponseCode.BadVersion : ResponseCode.NoError;
        }

        return true;
    }

    private bool ReadAdditional(ReadOnlySpan<byte> message, int at, int count)
    {
        for (; count > 0; count--)
        {
            var start = at;
            if (!DomainName.TrySkip(message, ref at) || at + 10 > message.Length)
            {
                return false;
            }

            var record = message[at..];
            at += 10 + BinaryPrimitives.ReadUInt16BigEndian(record[8..]);
            if (at > message.Length)
            {
                return false;
            }

            if ((RecordType)BinaryPrimitives.ReadUInt16BigEndian(record) != RecordType.Opt)
            {
                continue;
            }

            // One OPT, owned by the root (RFC 6891 section 6.1.1).
            if (HasEdns || message[start] != 0)
            {
                return false;
            }

            HasEdns = true;
            UdpSize = Math.Max(512, (int)BinaryPrimitives.ReadUInt16BigEndian(record[2..]));
            EdnsVersion = record[5];
            DnssecOk = (record[6] & 0x80) != 0;
        }

        return at == message.Length;
    }
}
