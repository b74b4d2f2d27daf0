using System.ComponentModel;
using System.Globalization;

namespace Plane.Hosting.Configuration;

/// <summary>Durations as <c>500ms</c>, <c>1.5s</c>, <c>2m</c>, <c>1h</c> or <c>7d</c>, for the configuration binder; .NET's own form (<c>00:00:10</c>) is read too.</summary>
public sealed class DurationConverter : TypeConverter
{
    private static readonly (string Unit, long Ticks)[] s_units =
    [
        ("ms", TimeSpan.TicksPerMillisecond), ("s", TimeSpan.TicksPerSecond), ("m", TimeSpan.TicksPerMinute), ("h", TimeSpan.TicksPerHour), ("d", TimeSpan.TicksPerDay),
    ];

    /// <summary>The longest unit that gives a whole number; milliseconds where none does.</summary>
    /// <param name="duration">The duration.</param>
    public static string Show(TimeSpan duration)
    {
        var (unit, ticks) = duration == TimeSpan.Zero ? s_units[1] : s_units.LastOrDefault(u => duration.Ticks % u.Ticks == 0, s_units[0]);
        return string.Create(CultureInfo.InvariantCulture, $"{(double)duration.Ticks / ticks:0.###}{unit}");
    }

    /// <inheritdoc/>
    public override bool CanConvertFrom(ITypeDescriptorContext? context, Type sourceType) => sourceType == typeof(string);

    /// <inheritdoc/>
    public override object ConvertFrom(ITypeDescriptorContext? context, CultureInfo? culture, object value) =>
        TryParse((string)value, out var duration) ? duration : throw new FormatException("must be a duration such as 500ms, 15s, 2m, 1h or 7d");

    private static bool TryParse(string text, out TimeSpan duration)
    {
        duration = default;
        if (text.Length == 0 || !(char.IsAsciiDigit(text[0]) || text[0] == '.'))
        {
            return false;
        }

        if (text.Contains(':', StringComparison.Ordinal))
        {
            return TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out duration);
        }

        var (unit, ticks) = s_units.FirstOrDefault(u => text.EndsWith(u.Unit, StringComparison.Ordinal));
        if (unit is null
            || !double.TryParse(text.AsSpan(0, text.Length - unit.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            || number * ticks > TimeSpan.MaxValue.Ticks / 2)
        {
            return false;
        }

        duration = TimeSpan.FromTicks((long)Math.Round(number * ticks));
        return true;
    }
}
