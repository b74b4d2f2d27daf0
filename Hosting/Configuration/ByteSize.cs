using System.ComponentModel;
using System.Globalization;

namespace Plane.Hosting.Configuration;

/// <summary>An amount of bytes as people write it: <c>512MiB</c>, <c>1.5 GiB</c>, <c>2TB</c> or a bare number of bytes.</summary>
/// <param name="Bytes">The bytes, 0 to <see cref="ResourceAmounts.Most"/>.</param>
[TypeConverter(typeof(Converter))]
public readonly record struct ByteSize(long Bytes)
{
    /// <summary>What is read, in words.</summary>
    public const string Rule = "must be an amount of bytes such as 512MiB, 1.5GiB, 2TB or 1073741824, at most 8 PiB";

    private static readonly (string Unit, double Bytes)[] s_units =
    [
        ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40), ("PiB", 1L << 50), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12), ("PB", 1e15), ("B", 1), ("", 1),
    ];

    /// <summary>Reads one.</summary>
    /// <param name="text">The text.</param>
    /// <param name="size">The amount.</param>
    public static bool TryParse(string? text, out ByteSize size)
    {
        size = default;
        if (text is not { Length: > 0 and <= 40 } || !(char.IsAsciiDigit(text[0]) || text[0] == '.'))
        {
            return false;
        }

        var (unit, bytes) = s_units.First(u => text.EndsWith(u.Unit, StringComparison.Ordinal));
        if (!double.TryParse(text.AsSpan(0, text.Length - unit.Length).TrimEnd(' '), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            || number * bytes > ResourceAmounts.Most)
        {
            return false;
        }

        size = new ByteSize((long)Math.Round(number * bytes));
        return true;
    }

    /// <summary>With the greatest unit of which it has at least one, and at most two decimals.</summary>
    public override string ToString()
    {
        var bytes = Bytes;
        var (unit, size) = s_units.Take(5).Reverse().FirstOrDefault(u => bytes >= u.Bytes, ("B", 1));
        return string.Create(CultureInfo.InvariantCulture, $"{bytes / size:0.##} {unit}");
    }

    private sealed class Converter : TypeConverter
    {
        public override bool CanConvertFrom(ITypeDescriptorContext? context, Type sourceType) => sourceType == typeof(string);

        public override object ConvertFrom(ITypeDescriptorContext? context, CultureInfo? culture, object value) =>
            TryParse((string)value, out var size) ? size : throw new FormatException(Rule);
    }
}
