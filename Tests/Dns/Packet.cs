using System.Buffers.Binary;
using System.Text;
using Plane.DnsHost.Protocol;

namespace Plane.Tests.Dns;

/// <summary>Questions octet by octet.</summary>
internal static class Packet
{
    public static byte[] Question(
        byte[] name, RecordType type, ushort cls = 1, int opCode = 0, int? edns = null, byte version = 0, bool dnssecOk = false, ushort id = 0x1234) =>
    [
        (byte)(id >> 8), (byte)id, (byte)((opCode << 3) | 1), 0, 0, 1, 0, 0, 0, 0, 0, (byte)(edns is null ? 0 : 1),
        .. name, (byte)((ushort)type >> 8), (byte)type, (byte)(cls >> 8), (byte)cls,
        .. edns is { } size ? (byte[])[0, 0, 41, (byte)(size >> 8), (byte)size, 0, version, (byte)(dnssecOk ? 0x80 : 0), 0, 0, 0] : [],
    ];

    public static byte[] Question(string name, RecordType type, int? edns = null) => Question(Name(name), type, edns: edns);

    /// <summary>A name of labels as they are, without rules.</summary>
    public static byte[] Labels(params string[] labels) => [.. labels.SelectMany(l => (byte[])[(byte)l.Length, .. Encoding.Latin1.GetBytes(l)]), 0];

    public static byte[] Name(string text) => Labels(text.Split('.', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>As TCP carries it.</summary>
    public static byte[] Framed(byte[] message) => [(byte)(message.Length >> 8), (byte)message.Length, .. message];

    public static async Task<DnsReply> ReadAsync(Stream stream)
    {
        var head = new byte[2];
        await stream.ReadExactlyAsync(head);
        var message = new byte[BinaryPrimitives.ReadUInt16BigEndian(head)];
        await stream.ReadExactlyAsync(message);
        return DnsReply.TryRead(message) ?? throw new InvalidDataException("no answer: " + Convert.ToHexString(message));
    }
}
