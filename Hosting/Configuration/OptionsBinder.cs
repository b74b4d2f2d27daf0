using System.Collections;
using System.CommandLine;
using System.ComponentModel;
using System.Reflection;

namespace Plane.Hosting;

/// <summary>
/// Fills a role's options from flags and environment. A property <c>GatewayPort</c> is the flag <c>--gateway-port</c> and the variable
/// <c>PLANE__GATEWAY_PORT</c> (case and single underscores don't count); one of a nested object <c>LeaseNumbers.RenewAfter</c> is
/// <c>--lease-numbers-renew-after</c> and <c>PLANE__LEASE_NUMBERS__RENEW_AFTER</c>. A flag wins over a variable, a variable over the default. Arrays are given
/// by repeating the flag or by commas.
/// </summary>
/// <typeparam name="T">The options: plain properties.</typeparam>
public sealed class OptionsBinder<T>
    where T : class, new()
{
    /// <summary>What the variables begin with.</summary>
    public const string EnvironmentPrefix = "PLANE__";

    private readonly List<Slot> _slots = [];
    private bool _built;

    /// <summary>Makes one for all settable properties.</summary>
    public OptionsBinder() => Collect(typeof(T), [], "", "");

    /// <summary>The flags, for a command.</summary>
    public IEnumerable<Option> Flags
    {
        get
        {
            _built = true;
            return _slots.Select(s => s.Option);
        }
    }

    /// <summary>Leaves a property out: the program sets it.</summary>
    /// <param name="property">The property's name; with a dot for a nested one.</param>
    public OptionsBinder<T> Without(string property)
    {
        ThrowIfBuilt();
        if (_slots.RemoveAll(s => s.Name == property || s.Name.StartsWith(property + ".", StringComparison.Ordinal)) == 0)
        {
            throw new ArgumentException($"{typeof(T).Name} has no option {property}", nameof(property));
        }

        return this;
    }

    /// <summary>Gives a property another flag or description than its name and attribute say.</summary>
    /// <param name="property">The property's name; with a dot for a nested one.</param>
    /// <param name="flag">The flag, as <c>--ip</c>.</param>
    /// <param name="description">The line in the help.</param>
    public OptionsBinder<T> With(string property, string? flag = null, string? description = null)
    {
        ThrowIfBuilt();
        var slot = Find(property);
        slot.Flag = flag ?? slot.Flag;
        slot.Description = description ?? slot.Description;
        return this;
    }

    /// <summary>
    /// Refuses options in which neither flag nor variable gives the property. The parser must not know: it would refuse a command line that leaves the value to a
    /// variable.
    /// </summary>
    /// <param name="property">The property's name; with a dot for a nested one.</param>
    public OptionsBinder<T> Require(string property)
    {
        ThrowIfBuilt();
        Find(property).IsRequired = true;
        return this;
    }

    /// <summary>Adds the flags to a command.</summary>
    /// <param name="command">The command.</param>
    public OptionsBinder<T> AddTo(Command command)
    {
        ArgumentNullException.ThrowIfNull(command);
        foreach (var flag in Flags)
        {
            command.Options.Add(flag);
        }

        return this;
    }

    /// <summary>Reads the options.</summary>
    /// <param name="flags">The parsed command line, or <see langword="null"/> for the environment alone.</param>
    /// <param name="environment">The environment's variables, as <see cref="ProcessEnvironment"/>.</param>
    /// <exception cref="UsageException">Values that cannot be read; each problem names its flag or variable.</exception>
    public T Bind(ParseResult? flags, IReadOnlyDictionary<string, string> environment)
    {
        ArgumentNullException.ThrowIfNull(environment);
        var variables = new Dictionary<string, (string Name, string Value)>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, value) in environment)
        {
            if (name.StartsWith(EnvironmentPrefix, StringComparison.OrdinalIgnoreCase))
            {
                variables[Normalize(name[EnvironmentPrefix.Length..])] = (name, value);
            }
        }

        var options = new T();
        var problems = new List<string>();
        foreach (var slot in _slots)
        {
            if (flags?.GetResult(slot.Option) is { Implicit: false } given)
            {
                slot.Read(options, [.. given.Tokens.Select(t => t.Value)], slot.Flag, problems);
            }
            else if (variables.TryGetValue(slot.Variable, out var variable) && !(slot.IsRequired && variable.Value.Length == 0))
            {
                slot.Read(options, [variable.Value], variable.Name, problems);
            }
            else if (slot.IsRequired)
            {
                problems.Add($"{slot.Flag} (or {slot.ShownVariable}) is required: {slot.Description}");
            }
        }

        return problems.Count == 0 ? options : throw new UsageException(problems);
    }

    private static string Normalize(string name) =>
        string.Join("__", name.Split("__").Select(s => s.Replace("_", "", StringComparison.Ordinal)));

    private void Collect(Type type, PropertyInfo[] parents, string name, string variable)
    {
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.SetMethod is { IsPublic: true }))
        {
            var itsName = name + property.Name;
            var itsVariable = variable + property.Name;
            if (OptionText.IsScalar(property.PropertyType) || Slot.ElementType(property.PropertyType) is not null)
            {
                _slots.Add(new Slot([.. parents, property], itsName, itsVariable));
            }
            else if (property.PropertyType.GetConstructor(Type.EmptyTypes) is not null && !typeof(IEnumerable).IsAssignableFrom(property.PropertyType))
            {
                Collect(property.PropertyType, [.. parents, property], itsName + ".", itsVariable + "__");
            }
        }
    }

    private Slot Find(string property) => _slots.FirstOrDefault(s => s.Name == property)
        ?? throw new ArgumentException($"{typeof(T).Name} has no option {property}", nameof(property));

    private void ThrowIfBuilt()
    {
        if (_built)
        {
            throw new InvalidOperationException("the flags were handed out already");
        }
    }

    /// <summary>One option: a property, possibly of a nested object.</summary>
    private sealed class Slot
    {
        private readonly PropertyInfo[] _path;
        private readonly Lazy<Option> _option;

        public Slot(PropertyInfo[] path, string name, string variable)
        {
            _path = path;
            Name = name;
            Variable = variable;
            Flag = "--" + string.Join('-', path.Select(p => OptionText.Kebab(p.Name)));
            Description = Property.GetCustomAttribute<DescriptionAttribute>()?.Description ?? "";
            _option = new Lazy<Option>(MakeOption);
        }

        public string Name { get; }

        public string Variable { get; }

        /// <summary>The variable as one writes it.</summary>
        public string ShownVariable =>
            EnvironmentPrefix + string.Join("__", _path.Select(p => OptionText.Kebab(p.Name).Replace('-', '_').ToUpperInvariant()));

        public bool IsRequired { get; set; }

        public string Flag { get; set; }

        public string Description { get; set; }

        public Option Option => _option.Value;

        private PropertyInfo Property => _path[^1];

        public static Type? ElementType(Type type)
        {
            var element = type.IsArray ? type.GetElementType()
                : type.IsGenericType && type.IsAssignableFrom(typeof(List<>).MakeGenericType(type.GenericTypeArguments[0])) ? type.GenericTypeArguments[0]
                : null;
            return element is not null && OptionText.IsScalar(element) ? element : null;
        }

        public void Read(T options, string[] texts, string source, List<string> problems)
        {
            var element = ElementType(Property.PropertyType);
            object? value;
            if (element is null)
            {
                var text = texts.Length == 0 ? "true" : texts[^1];
                if (OptionText.TryRead(Property.PropertyType, text, out value) is { } problem)
                {
                    problems.Add($"{source} {problem}");
                    return;
                }
            }
            else
            {
                var items = texts.SelectMany(t => t.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)).ToArray();
                var list = (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(element))!;
                foreach (var item in items)
                {
                    if (OptionText.TryRead(element, item, out var one) is { } problem)
                    {
                        problems.Add($"{source} {problem}");
                        return;
                    }

                    list.Add(one);
                }

                value = list;
                if (Property.PropertyType.IsArray)
                {
                    var array = Array.CreateInstance(element, list.Count);
                    list.CopyTo(array, 0);
                    value = array;
                }
            }

            Property.SetValue(Target(options), value);
        }

        // Nested objects are replaced by a copy before they are written to: a default may be shared.
        private object Target(object owner)
        {
            foreach (var step in _path[..^1])
            {
                var current = step.GetValue(owner);
                var copy = Activator.CreateInstance(step.PropertyType)!;
                foreach (var property in step.PropertyType.GetProperties().Where(p => current is not null && p is { CanRead: true, CanWrite: true }))
                {
                    property.SetValue(copy, property.GetValue(current));
                }

                step.SetValue(owner, copy);
                owner = copy;
            }

            return owner;
        }

        private Option MakeOption()
        {
            var standard = Default();
            var description = IsRequired ? $"{Description} [required, here or as {ShownVariable}]"
                : standard.Length > 0 ? $"{Description} [default: {standard}]".TrimStart()
                : Description;
            if ((Nullable.GetUnderlyingType(Property.PropertyType) ?? Property.PropertyType) == typeof(bool))
            {
                return new Option<bool>(Flag) { Description = description };
            }

            var help = OptionText.Kebab(Property.Name);
            return ElementType(Property.PropertyType) is null
                ? new Option<string>(Flag) { Description = description, HelpName = help }
                : new Option<string[]>(Flag) { Description = description, HelpName = help, Arity = ArgumentArity.OneOrMore };
        }

        // A value that another instance has otherwise is drawn at each start: none is the default.
        private string Default() => Shown(new T()) is var shown && shown == Shown(new T()) ? shown : "";

        private string Shown(T options)
        {
            object? value = options;
            foreach (var step in _path)
            {
                value = value is null ? null : step.GetValue(value);
            }

            return value is IEnumerable list and not string ? string.Join(',', list.Cast<object?>().Select(OptionText.Show)) : OptionText.Show(value);
        }
    }
}
