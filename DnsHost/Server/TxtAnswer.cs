using System.Text;
using Plane.DnsHost.Protocol;

namespace Plane.DnsHost.Server;

/// <summary>A cluster's values as the records that answer for them, composed once for all questions of their second. Immutable.</summary>
internal sealed class TxtAnswer
{
    /// <summary>The time to live of values: they come and go within seconds.</summary>
    public const uint Ttl = 1;

    private readonly byte[] _records;

    public TxtAnswer(IReadOnlyList<string> values)
    {
        Count = values.Count;
        _records = new byte[values.Sum(v => DnsWriter.RecordHeadLength + 1 + v.Length)];
        var at = _records.AsSpan();
        foreach (var value in values)
        {
            // One character-string each (RFC 1035 section 3.3): the contract lets no longer value pass.
            DnsWriter.WriteRecordHead(at, DnsWriter.PointerToQuestion, RecordType.Txt, Ttl, 1 + value.Length);
            at = at[DnsWriter.RecordHeadLength..];
            at[0] = (byte)value.Length;
            Encoding.ASCII.GetBytes(value, at[1..]);
            at = at[(1 + value.Length)..];
        }
    }

    public int Count { get; }

    public ReadOnlySpan<byte> Records => _records;
}
