using System.CommandLine;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Reflection;
using Plane.Hosting.Configuration;

namespace Plane.Cli.Configuration;

/// <summary>
/// One option of a role: a property with a <see cref="DescriptionAttribute"/>, possibly of a nested object. <see cref="RequiredAttribute"/> refuses a start without a value;
/// <see cref="PasswordPropertyTextAttribute"/> keeps the value out of messages.
/// </summary>
internal sealed class OptionDefinition
{
    private readonly bool _isSecret;

    static OptionDefinition()
    {
        // What the configuration binder reads durations and lists by.
        TypeDescriptor.AddAttributes(typeof(TimeSpan), new TypeConverterAttribute(typeof(DurationConverter)));
        TypeDescriptor.AddAttributes(typeof(string[]), new TypeConverterAttribute(typeof(CommaListConverter)));
    }

    private OptionDefinition(PropertyInfo[] path, string standard)
    {
        var property = path[^1];
        Key = string.Join(':', path.Select(p => p.Name));
        Name = string.Join(':', path.Select(OptionNames.NameOf));
        Flag = OptionNames.Flag(path);
        Variable = OptionNames.Variable(path);
        Type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        Description = property.GetCustomAttribute<DescriptionAttribute>()!.Description;
        IsRequired = property.GetCustomAttribute<RequiredAttribute>() is not null;
        Default = standard;
        _isSecret = property.GetCustomAttribute<PasswordPropertyTextAttribute>() is not null;
        var description = IsRequired ? $"{Description} [required, here or as {Variable}]"
            : standard.Length > 0 ? $"{Description} [default: {standard}]"
            : Description;
        var help = OptionNames.Flag([property])[2..];
        Option = Type == typeof(bool) ? new Option<bool>(Flag) { Description = description }
            : IsList ? new Option<string[]>(Flag) { Description = description, HelpName = help, Arity = ArgumentArity.OneOrMore }
            : new Option<string>(Flag) { Description = description, HelpName = help };
    }

    /// <summary>The key in the configuration, by which the binder finds the property.</summary>
    public string Key { get; }

    /// <summary>The key in the file, with a section for each colon. It is the property's name too, except for an option that has a name of its own.</summary>
    public string Name { get; }

    public string Flag { get; }

    public string Variable { get; }

    public string Description { get; }

    public string Default { get; }

    public bool IsRequired { get; }

    public bool IsList => Type == typeof(string[]);

    public Option Option { get; }

    private Type Type { get; }

    /// <summary>The options of a type, in the order of its properties.</summary>
    public static IEnumerable<OptionDefinition> Of(Type options)
    {
        var (one, other) = (Activator.CreateInstance(options), Activator.CreateInstance(options));

        // A value that another instance has otherwise is drawn at each start: none is the default.
        return Paths(options, []).Select(path => new OptionDefinition(path, Shown(one, path) is var shown && shown == Shown(other, path) ? shown : ""));
    }

    /// <summary>The text for the binder, which knows no 1 and 0 for a switch.</summary>
    public string Text(string given) => Type == typeof(bool) && given is "1" or "0" ? (given is "1" ? "true" : "false") : given;

    /// <summary>What keeps the binder from reading a text, or null.</summary>
    /// <param name="text">The text.</param>
    /// <param name="source">The flag, variable or key that it was given by.</param>
    public string? Problem(string text, string source) => Rule(text) is { } rule ? _isSecret ? $"{source}: {rule}" : $"{source} is {OptionNames.Quote(text)}: {rule}" : null;

    private string? Rule(string text)
    {
        if (Type == typeof(Uri))
        {
            return Uri.TryCreate(text, UriKind.Absolute, out _) ? null : "must be a URL";
        }

        if (Type.IsEnum)
        {
            return Enum.GetNames(Type).Contains(text, StringComparer.OrdinalIgnoreCase) ? null
                : $"must be one of {string.Join(", ", Enum.GetValues(Type).Cast<Enum>().Select(OptionNames.Show))}";
        }

        try
        {
            TypeDescriptor.GetConverter(Type).ConvertFromInvariantString(text);
            return null;
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            return Type == typeof(bool) ? "must be true or false" : Type == typeof(int) ? "must be a whole number" : Type == typeof(double) ? "must be a number" : e.Message;
        }
    }

    private static IEnumerable<PropertyInfo[]> Paths(Type type, PropertyInfo[] parents)
    {
        foreach (var property in type.GetProperties().Where(p => p.SetMethod is { IsPublic: true }))
        {
            PropertyInfo[] path = [.. parents, property];
            if (!TypeDescriptor.GetConverter(property.PropertyType).CanConvertFrom(typeof(string)))
            {
                foreach (var nested in property.PropertyType.GetConstructor(Type.EmptyTypes) is null ? [] : Paths(property.PropertyType, path))
                {
                    yield return nested;
                }
            }
            else if (property.GetCustomAttribute<DescriptionAttribute>() is not null)
            {
                yield return path;
            }
        }
    }

    private static string Shown(object? options, PropertyInfo[] path) => OptionNames.Show(path.Aggregate(options, (value, step) => value is null ? null : step.GetValue(value)));
}
