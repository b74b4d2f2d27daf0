using System.Text;

namespace Plane.DnsHost.Protocol;

/// <summary>A domain name in wire form, without compression (RFC 1035 section 3.1). Compares without ASCII case (RFC 4343), keeps the case it was asked in.</summary>
internal readonly struct DomainName : IEquatable<DomainName>
{
    /// <summary>The longest name in octets, lengths and root included (RFC 1035 section 2.3.4).</summary>
    public const int MaxLength = 255;

    private readonly byte[]? _wire;

    public DomainName(byte[] wire) => _wire = wire;

    public ReadOnlySpan<byte> Wire => _wire ?? [0];

    /// <summary>Reads a name from text such as <c>acme.example.net</c>: letters, digits, hyphens and underscores in labels of 1 to 63.</summary>
    public static bool TryParse(string? text, out DomainName name)
    {
        name = default;
        text = text?.TrimEnd('.');
        if (string.IsNullOrEmpty(text) || text.Length > MaxLength - 2)
        {
            return false;
        }

        var wire = new byte[text.Length + 2];
        var at = 0;
        foreach (var range in text.AsSpan().Split('.'))
        {
            var label = text.AsSpan()[range];
            if (label.Length is 0 or > 63)
            {
                return false;
            }

            wire[at++] = (byte)label.Length;
            foreach (var c in label)
            {
                if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_'))
                {
                    return false;
                }

                wire[at++] = (byte)c;
            }
        }

        name = new DomainName(wire);
        return true;
    }

    /// <exception cref="FormatException">The text is not a name.</exception>
    public static DomainName Parse(string text) => TryParse(text, out var name) ? name : throw new FormatException($"'{text}' is not a domain name");

    /// <summary>
    /// Reads the question's name, in lower case. Nothing precedes it that a pointer could lead to, so compression there is malformed, and with it every
    /// loop.
    /// </summary>
    public static bool TryReadLower(ReadOnlySpan<byte> message, ref int at, Span<byte> lower, out int length)
    {
        length = 0;
        while (at < message.Length)
        {
            int label = message[at];
            if (label > 63 || length + 1 + label > MaxLength || at + 1 + label > message.Length)
            {
                return false;
            }

            for (var end = at + 1 + label; at < end; at++)
            {
                // A length is below every letter, and octets beyond ASCII have no case (RFC 4343 section 2).
                lower[length++] = message[at] is >= (byte)'A' and <= (byte)'Z' ? (byte)(message[at] + 32) : message[at];
            }

            if (label == 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Passes over a name that may end in a pointer; its content doesn't matter.</summary>
    public static bool TrySkip(ReadOnlySpan<byte> message, ref int at)
    {
        while (at < message.Length)
        {
            int length = message[at];
            if (length == 0)
            {
                at++;
                return true;
            }

            if (length >= 0xC0)
            {
                at += 2;
                return at <= message.Length;
            }

            if (length > 63)
            {
                return false;
            }

            at += 1 + length;
        }

        return false;
    }

    /// <summary>Whether this name is the zone or lies below it; then also the octets in front of it.</summary>
    public bool IsIn(DomainName zone, out int labels) => EndsIn(Wire, zone.Wire, out labels);

    /// <summary>The same for names in wire form.</summary>
    public static bool EndsIn(ReadOnlySpan<byte> name, ReadOnlySpan<byte> zone, out int labels)
    {
        labels = 0;
        while (name.Length - labels > zone.Length)
        {
            labels += 1 + name[labels];
        }

        // Labels are compared with their lengths, which are not letters.
        return name.Length - labels == zone.Length && Ascii.EqualsIgnoreCase(name[labels..], zone);
    }

    /// <summary>This name below another: <c>a.b</c> under <c>example.net</c>; null where that is too long.</summary>
    public DomainName? Under(DomainName parent)
    {
        if (Wire.Length - 1 + parent.Wire.Length > MaxLength)
        {
            return null;
        }

        return new DomainName([.. Wire[..^1], .. parent.Wire]);
    }

    public bool Equals(DomainName other) => Ascii.EqualsIgnoreCase(Wire, other.Wire);

    public override bool Equals(object? obj) => obj is DomainName other && Equals(other);

    public override int GetHashCode() => StringComparer.OrdinalIgnoreCase.GetHashCode(ToString());

    public override string ToString()
    {
        var text = new StringBuilder();
        for (var at = 0; at < Wire.Length && Wire[at] != 0; at += 1 + Wire[at])
        {
            foreach (var b in Wire.Slice(at + 1, Wire[at]))
            {
                text.Append(b is < 0x21 or > 0x7e ? '?' : (char)b);
            }

            text.Append('.');
        }

        return text.Length == 0 ? "." : text.ToString();
    }
}
