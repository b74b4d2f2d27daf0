using System.Buffers.Binary;

namespace Plane.Dns.Protocol;

/// <summary>A question as it came in. Everything in it is hostile until <see cref="TryRead"/> has passed it.</summary>
internal sealed class DnsQuery
{
    /// <summary>Internet (RFC 1035 section 3.2.4).</summary>
    public const ushort ClassIn = 1;

    public const int HeaderLength = 12;

    public required ushort Id { get; init; }

    public required bool RecursionDesired { get; init; }

    public required int OpCode { get; init; }

    public DomainName Name { get; private set; }

    public RecordType Type { get; private set; }

    public ushort Class { get; private set; }

    /// <summary>The length of header and question, which the answer repeats as they came: the case asked in is kept.</summary>
    public int QuestionEnd { get; private set; }

    public bool HasEdns { get; private set; }

    public int EdnsVersion { get; private set; }

    /// <summary>The largest UDP answer that the asker takes: 512 without EDNS, and never less (RFC 6891 section 6.2.3).</summary>
    public int UdpSize { get; private set; } = 512;

    /// <summary>Reads a message.</summary>
    /// <param name="message">The message.</param>
    /// <param name="query">What could be read; null where not even an answer can be sent (too short, or itself an answer).</param>
    /// <returns>The code to refuse it with, or <see cref="ResponseCode.NoError"/>.</returns>
    public static ResponseCode TryRead(ReadOnlySpan<byte> message, out DnsQuery? query)
    {
        query = null;
        if (message.Length < HeaderLength || (message[2] & 0x80) != 0)
        {
            return ResponseCode.FormatError;
        }

        query = new DnsQuery
        {
            Id = BinaryPrimitives.ReadUInt16BigEndian(message),
            RecursionDesired = (message[2] & 1) != 0,
            OpCode = (message[2] >> 3) & 0xF,
        };
        if (query.OpCode != 0)
        {
            return ResponseCode.NotImplemented;
        }

        var questions = BinaryPrimitives.ReadUInt16BigEndian(message[4..]);
        var answers = BinaryPrimitives.ReadUInt16BigEndian(message[6..]);
        var authorities = BinaryPrimitives.ReadUInt16BigEndian(message[8..]);
        var additional = BinaryPrimitives.ReadUInt16BigEndian(message[10..]);
        if (questions != 1 || answers != 0 || authorities != 0)
        {
            return ResponseCode.FormatError;
        }

        var at = HeaderLength;
        if (!DomainName.TryRead(message, ref at, out var name) || at + 4 > message.Length)
        {
            return ResponseCode.FormatError;
        }

        query.Name = name;
        query.Type = (RecordType)BinaryPrimitives.ReadUInt16BigEndian(message[at..]);
        query.Class = BinaryPrimitives.ReadUInt16BigEndian(message[(at + 2)..]);
        query.QuestionEnd = at + 4;
        return query.ReadAdditional(message, at + 4, additional) ? ResponseCode.NoError : ResponseCode.FormatError;
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
            var length = BinaryPrimitives.ReadUInt16BigEndian(record[8..]);
            if (at + 10 + length > message.Length)
            {
                return false;
            }

            if ((RecordType)BinaryPrimitives.ReadUInt16BigEndian(record) == RecordType.Opt)
            {
                // One OPT, owned by the root (RFC 6891 section 6.1.1).
                if (HasEdns || message[start] != 0)
                {
                    return false;
                }

                HasEdns = true;
                UdpSize = Math.Max(512, (int)BinaryPrimitives.ReadUInt16BigEndian(record[2..]));
                EdnsVersion = record[5];
            }

            at += 10 + length;
        }

        return at == message.Length;
    }
}
