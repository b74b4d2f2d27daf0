using System.Buffers.Binary;
using System.Text;
using Plane.Dns.Protocol;

namespace Plane.Dns.Server;

/// <summary>A cluster's values as the records that answer for them, composed once for all questions of their second. Immutable.</summary>
internal sealed class TxtAnswer
{
    /// <summary>The time to live of values: they come and go within seconds.</summary>
    public const uint Ttl = 1;

    private readonly byte[] _records;

    public TxtAnswer(IReadOnlyList<string> values)
    {
        Count = values.Count;
        _records = new byte[values.Sum(v => 12 + 1 + v.Length)];
        var at = _records.AsSpan();
        foreach (var value in values)
        {
            // One character-string each (RFC 1035 section 3.3): the contract lets no longer value pass.
            BinaryPrimitives.WriteUInt16BigEndian(at, DnsWriter.PointerToQuestion);
            BinaryPrimitives.WriteUInt16BigEndian(at[2..], (ushort)RecordType.Txt);
            BinaryPrimitives.WriteUInt16BigEndian(at[4..], DnsQuery.ClassIn);
            BinaryPrimitives.WriteUInt32BigEndian(at[6..], Ttl);
            BinaryPrimitives.WriteUInt16BigEndian(at[10..], (ushort)(1 + value.Length));
            at[12] = (byte)value.Length;
            Encoding.ASCII.GetBytes(value, at[13..]);
            at = at[(13 + value.Length)..];
        }
    }

    public int Count { get; }

    public ReadOnlySpan<byte> Records => _records;
}
