using System.Buffers.Binary;

namespace Plane.DnsHost.Protocol;

/// <summary>A name in the data of a record: below the zone it ends in a pointer to it, which is in every question (RFC 1035 section 4.1.4).</summary>
internal sealed class ZoneName
{
    private readonly byte[] _labels;
    private readonly bool _inZone;

    public ZoneName(DomainName name, DomainName zone)
    {
        Name = name;
        _inZone = name.IsIn(zone, out var labels);
        _labels = _inZone ? name.Wire[..labels].ToArray() : name.Wire.ToArray();
    }

    public DomainName Name { get; }

    public bool IsInZone => _inZone;

    /// <summary>The octets that it takes.</summary>
    public int Length => _labels.Length + (_inZone ? 2 : 0);

    /// <summary>The labels in front of the zone, where it lies in it.</summary>
    public ReadOnlySpan<byte> Labels => _labels;

    public int Write(Span<byte> target, int zoneAt)
    {
        _labels.CopyTo(target);
        if (_inZone)
        {
            BinaryPrimitives.WriteUInt16BigEndian(target[_labels.Length..], (ushort)(0xC000 | zoneAt));
        }

        return Length;
    }
}
