using System.ComponentModel;
using System.Globalization;

namespace Plane.Cli.Configuration;

/// <summary>Lists as <c>a,b</c>: the one form of a list in a configuration, whatever source it comes from. The binder's own (one key an element) adds to the default instead of replacing it.</summary>
internal sealed class CommaListConverter : TypeConverter
{
    public override bool CanConvertFrom(ITypeDescriptorContext? context, Type sourceType) => sourceType == typeof(string);

    public override object ConvertFrom(ITypeDescriptorContext? context, CultureInfo? culture, object value) =>
        ((string)value).Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}
