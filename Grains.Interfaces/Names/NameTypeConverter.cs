using System.ComponentModel;
using System.Globalization;

namespace Plane;

/// <summary>Names as values of a configuration.</summary>
/// <typeparam name="T">The name.</typeparam>
internal sealed class NameTypeConverter<T> : TypeConverter
    where T : struct, IPlaneName<T>
{
    public override bool CanConvertFrom(ITypeDescriptorContext? context, Type sourceType) => sourceType == typeof(string);

    public override object ConvertFrom(ITypeDescriptorContext? context, CultureInfo? culture, object value) =>
        T.TryParse((string)value, out var name) ? name : throw new FormatException("is not valid: " + T.Rule);
}
