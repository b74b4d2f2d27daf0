using System.Globalization;
using System.Reflection;

namespace Plane.Hosting;

/// <summary>Reads option values from text: one set of rules for flags and environment.</summary>
public static class OptionText
{
    /// <summary>Whether a single value of the type can be read from text.</summary>
    /// <param name="type">The property's type.</param>
    public static bool IsScalar(Type type)
    {
        ArgumentNullException.ThrowIfNull(type);
        type = Nullable.GetUnderlyingType(type) ?? type;
        return type == typeof(string) || type == typeof(bool) || type == typeof(TimeSpan) || type == typeof(Uri) || type.IsEnum
            || IsName(type) || IsParsable(type);
    }

    /// <summary>Reads a value.</summary>
    /// <param name="type">The property's type.</param>
    /// <param name="text">The text.</param>
    /// <param name="value">The value.</param>
    /// <returns>What is wrong with the text, or <see langword="null"/>.</returns>
    public static string? TryRead(Type type, string text, out object? value)
    {
        ArgumentNullException.ThrowIfNull(type);
        type = Nullable.GetUnderlyingType(type) ?? type;
        value = null;
        if (type == typeof(string))
        {
            value = text;
            return null;
        }

        if (type == typeof(bool))
        {
            value = text is "true" or "True" or "1" ? true : text is "false" or "False" or "0" ? false : null;
            return value is null ? "must be true or false" : null;
        }

        if (type == typeof(TimeSpan))
        {
            value = TryDuration(text, out var duration) ? duration : null;
            return value is null ? "must be a duration such as 500ms, 15s, 2m, 1h or 7d" : null;
        }

        if (type == typeof(Uri))
        {
            value = Uri.TryCreate(text, UriKind.Absolute, out var uri) ? uri : null;
            return value is null ? "must be a URL" : null;
        }

        if (type.IsEnum)
        {
            value = Enum.GetNames(type).FirstOrDefault(n => Kebab(n) == text || string.Equals(n, text, StringComparison.OrdinalIgnoreCase)) is { } name
                ? Enum.Parse(type, name)
                : null;
            return value is null ? $"must be one of {string.Join(", ", Enum.GetNames(type).Select(Kebab))}" : null;
        }

        var reader = IsName(type) ? s_readName : s_readParsable;
        var arguments = new object?[] { text, null };
        var problem = (string?)reader.MakeGenericMethod(type).Invoke(null, arguments);
        value = arguments[1];
        return problem;
    }

    /// <summary><c>MaxIdleSeconds</c> as <c>max-idle-seconds</c>.</summary>
    /// <param name="name">A name in Pascal case.</param>
    public static string Kebab(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var kebab = new System.Text.StringBuilder();
        for (var i = 0; i < name.Length; i++)
        {
            var startsWord = char.IsUpper(name[i]) && i > 0
                && (!char.IsUpper(name[i - 1]) || (i + 1 < name.Length && char.IsLower(name[i + 1])));
            if (startsWord)
            {
                kebab.Append('-');
            }

            kebab.Append(char.ToLowerInvariant(name[i]));
        }

        return kebab.ToString();
    }

    /// <summary>A value as the help shows it.</summary>
    /// <param name="value">The value.</param>
    public static string Show(object? value) => value switch
    {
        null => "",
        bool b => b ? "true" : "false",
        TimeSpan t => ShowDuration(t),
        Enum e => Kebab(e.ToString()),
        string s => s,
        IFormattable f => f.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    private static string ShowDuration(TimeSpan t) => t switch
    {
        { Ticks: 0 } => "0s",
        _ when t.Ticks % TimeSpan.TicksPerDay == 0 => $"{t.Ticks / TimeSpan.TicksPerDay}d",
        _ when t.Ticks % TimeSpan.TicksPerHour == 0 => $"{t.Ticks / TimeSpan.TicksPerHour}h",
        _ when t.Ticks % TimeSpan.TicksPerMinute == 0 => $"{t.Ticks / TimeSpan.TicksPerMinute}m",
        _ when t.Ticks % TimeSpan.TicksPerSecond == 0 => $"{t.Ticks / TimeSpan.TicksPerSecond}s",
        _ => string.Create(CultureInfo.InvariantCulture, $"{t.TotalMilliseconds:0.###}ms"),
    };

    private static bool TryDuration(string text, out TimeSpan duration)
    {
        duration = default;
        var digits = text.AsSpan().IndexOfAnyExcept(s_number);
        if (digits <= 0)
        {
            return false;
        }

        if (text.Contains(':', StringComparison.Ordinal))
        {
            return TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out duration);
        }

        var unit = text[digits..] switch { "ms" => 1e-3, "s" => 1, "m" => 60, "h" => 3_600, "d" => 86_400, _ => 0d };
        if (unit == 0
            || !double.TryParse(text.AsSpan(0, digits), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            || number * unit > TimeSpan.MaxValue.TotalSeconds / 2)
        {
            return false;
        }

        duration = TimeSpan.FromSeconds(number * unit);
        return true;
    }

    private static bool IsName(Type type) =>
        type.IsValueType && type.GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IPlaneName<>));

    private static bool IsParsable(Type type) =>
        type.GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IParsable<>) && i.GenericTypeArguments[0] == type);

    private static readonly System.Buffers.SearchValues<char> s_number = System.Buffers.SearchValues.Create("0123456789.");

    private static readonly MethodInfo s_readName = typeof(OptionText).GetMethod(nameof(ReadName), BindingFlags.NonPublic | BindingFlags.Static)!;

    private static readonly MethodInfo s_readParsable = typeof(OptionText).GetMethod(nameof(ReadParsable), BindingFlags.NonPublic | BindingFlags.Static)!;

    private static string? ReadName<T>(string text, out object? value)
        where T : struct, IPlaneName<T>
    {
        var valid = T.TryParse(text, out var name);
        value = valid ? name : null;
        return valid ? null : "is not valid: " + T.Rule;
    }

    private static string? ReadParsable<T>(string text, out object? value)
        where T : IParsable<T>
    {
        var valid = T.TryParse(text, CultureInfo.InvariantCulture, out var parsed);
        value = valid ? parsed : null;
        return valid ? null
            : typeof(T) == typeof(int) || typeof(T) == typeof(long) ? "must be a whole number"
            : typeof(T) == typeof(double) ? "must be a number"
            : typeof(T) == typeof(System.Net.IPAddress) ? "must be an IP address"
            : "is not valid";
    }
}
