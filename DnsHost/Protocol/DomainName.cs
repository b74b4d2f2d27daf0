using System.Text;

namespace Plane.Dns.Protocol;

/// <summary>A domain name in wire form, without compression (RFC 1035 section 3.1). Compares without ASCII case (RFC 4343), keeps the case it was asked in.</summary>
internal readonly struct DomainName : IEquatable<DomainName>
{
    /// <summary>The longest name in octets, lengths and root included (RFC 1035 section 2.3.4).</summary>
    public const int MaxLength = 255;

    private readonly byte[]? _wire;

    public DomainName(byte[] wire) => _wire = wire;

    public ReadOnlySpan<byte> Wire => _wire ?? [0];

    public bool IsRoot => Wire.Length == 1;

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

    /// <exception cref="FormatException">The text is no name.</exception>
    public static DomainName Parse(string text) => TryParse(text, out var name) ? name : throw new FormatException($"'{text}' is no domain name");

    /// <summary>
    /// Reads the question's name. Nothing stands before it that a pointer could lead to, so compression there is malformed, and with it every loop.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> message, ref int at, out DomainName name)
    {
        name = default;
        var start = at;
        while (at < message.Length)
        {
            int length = message[at];
            if (length == 0)
            {
                at++;
                if (at - start > MaxLength)
                {
                    return false;
                }

                name = new DomainName(message[start..at].ToArray());
                return true;
            }

            if (length > 63 || at - start > MaxLength)
            {
                return false;
            }

            at += 1 + length;
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

    /// <summary>Whether this name is the zone or lies below it; then also the labels in front of the zone, as lower-case text.</summary>
    public bool TryStrip(DomainName zone, out string labels)
    {
        labels = "";
        var text = new StringBuilder();
        var rest = Wire;
        while (rest.Length >= zone.Wire.Length)
        {
            if (rest.Length == zone.Wire.Length && Ascii.EqualsIgnoreCase(rest, zone.Wire))
            {
                labels = text.ToString();
                return true;
            }

            int length = rest[0];
            if (length == 0)
            {
                return false;
            }

            if (text.Length > 0)
            {
                text.Append('.');
            }

            foreach (var b in rest.Slice(1, length))
            {
                // A dot inside a label would read as two labels; no cluster has one, nor anything else outside ASCII letters, digits and hyphens.
                text.Append(b is (byte)'.' or < 0x21 or > 0x7e ? '\uFFFD' : char.ToLowerInvariant((char)b));
            }

            rest = rest[(1 + length)..];
        }

        return false;
    }

    public bool Equals(DomainName other) => Ascii.EqualsIgnoreCase(Wire, other.Wire);

    public override bool Equals(object? obj) => obj is DomainName other && Equals(other);

    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (var b in Wire)
        {
            hash.Add(b is >= (byte)'A' and <= (byte)'Z' ? b + 32 : b);
        }

        return hash.ToHashCode();
    }

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
