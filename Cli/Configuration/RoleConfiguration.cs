using System.CommandLine;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using Plane.Hosting.Configuration;

namespace Plane.Cli.Configuration;

/// <summary>
/// The options of a role as flags of its command, and as a configuration of what is given: a file, variables over it, flags over both. Every value that cannot be read is named by where it came from,
/// at once; the binder would stop at the first, and name neither flag nor variable.
/// </summary>
internal sealed class RoleConfiguration
{
    // Names that others gave to what we need: ours win.
    private static readonly (string Variable, string Key)[] s_others = [("OTEL_EXPORTER_OTLP_ENDPOINT", "OtlpEndpoint"), ("DOCKER_HOST", "DockerHost")];

    private readonly OptionDefinition[] _definitions;
    private readonly Option<string?> _file = new("--config")
    {
        Description = $"a JSON file with options, each by its flag's name; variables and flags win over it ({OptionNames.FileVariable})",
        HelpName = "file",
    };

    /// <summary>Makes the options.</summary>
    /// <param name="options">The types whose properties they are.</param>
    public RoleConfiguration(params Type[] options) => _definitions = [.. options.SelectMany(OptionDefinition.Of)];

    public IReadOnlyList<OptionDefinition> Definitions => _definitions;

    public void AddTo(Command command)
    {
        foreach (var definition in _definitions)
        {
            command.Options.Add(definition.Option);
        }

        command.Options.Add(_file);
    }

    /// <summary>Reads what is given.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="environment">The process's variables.</param>
    /// <exception cref="OptionsValidationException">Values that cannot be read or are missing, or keys of the file that name no option.</exception>
    public GivenOptions Read(ParseResult parsed, IReadOnlyDictionary<string, string> environment)
    {
        var problems = new List<string>();
        var file = FromFile(parsed, environment, problems);
        Layer[] layers = [file, FromOthers(environment), FromVariables(environment), FromFlags(parsed)];
        foreach (var definition in _definitions)
        {
            var layer = layers.LastOrDefault(l => l.Values.ContainsKey(definition.Key));
            var text = layer?.Values[definition.Key];
            if (definition.IsRequired && string.IsNullOrEmpty(text))
            {
                problems.Add($"{definition.Flag} (or {definition.Variable}) is required: {definition.Description}");
            }
            else if (text is not null && definition.Problem(text, layer!.Name(definition)) is { } problem)
            {
                problems.Add(problem);
            }
        }

        return problems.Count == 0 ? new GivenOptions(layers, _definitions) : throw new OptionsValidationException("", typeof(RoleConfiguration), problems);
    }

    private static string Normalize(string name) => name.Replace("__", ":", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal);

    private Layer FromFlags(ParseResult parsed)
    {
        var layer = new Layer(d => d.Flag);
        foreach (var definition in _definitions)
        {
            if (parsed.GetResult(definition.Option) is { Implicit: false } given)
            {
                var texts = given.Tokens.Select(t => t.Value);
                layer.Set(definition, definition.IsList ? string.Join(',', texts) : texts.LastOrDefault("true"));
            }
        }

        return layer;
    }

    private Layer FromVariables(IReadOnlyDictionary<string, string> environment)
    {
        var layer = new Layer(d => d.Variable);
        foreach (var (name, value) in environment.Where(v => v.Key.StartsWith(OptionNames.VariablePrefix, StringComparison.OrdinalIgnoreCase)))
        {
            if (Find(Normalize(name[OptionNames.VariablePrefix.Length..])) is { } definition)
            {
                layer.Set(definition, value);
            }
        }

        return layer;
    }

    private Layer FromOthers(IReadOnlyDictionary<string, string> environment)
    {
        var layer = new Layer(d => s_others.First(o => o.Key == d.Key).Variable);
        foreach (var (variable, key) in s_others)
        {
            if (Find(key) is { } definition && environment.TryGetValue(variable, out var value) && value.Length > 0)
            {
                layer.Set(definition, value);
            }
        }

        return layer;
    }

    private Layer FromFile(ParseResult parsed, IReadOnlyDictionary<string, string> environment, List<string> problems)
    {
        var fromVariable = environment.GetValueOrDefault(OptionNames.FileVariable);
        var path = parsed.GetValue(_file) ?? (string.IsNullOrEmpty(fromVariable) ? null : fromVariable);
        var layer = new Layer(d => $"{d.Name} in {path}");
        if (path is null)
        {
            return layer;
        }

        try
        {
            using var stream = File.OpenRead(path);
            var given = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
            foreach (var (key, value) in new ConfigurationBuilder().AddJsonStream(stream).Build().AsEnumerable().Where(v => v.Value is not null))
            {
                given[Normalize(key)] = value!;
            }

            foreach (var definition in _definitions)
            {
                if (given.Remove(definition.Name, out var text) || given.Remove(definition.Key, out text) || (definition.IsList && TryTakeList(given, definition.Name, out text)))
                {
                    layer.Set(definition, text);
                }
            }

            problems.AddRange(given.Keys.Select(key => Unknown(key, path)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or JsonException or ArgumentException or NotSupportedException)
        {
            problems.Add($"{(path == parsed.GetValue(_file) ? "--config" : OptionNames.FileVariable)} is {OptionNames.Quote(path)}: cannot be read: {(e.InnerException ?? e).Message}");
        }

        return layer;
    }

    private static bool TryTakeList(Dictionary<string, string> given, string key, out string text)
    {
        var elements = new List<string>();
        while (given.Remove($"{key}:{elements.Count}", out var element))
        {
            elements.Add(element);
        }

        text = string.Join(',', elements);
        return elements.Count > 0;
    }

    private static string Unknown(string key, string path) => $"{OptionNames.Quote(key)} in {path} is not an option of this command";

    // A property's own name counts too where the option has another one: installations have PLANE__STATE_FILE.
    private OptionDefinition? Find(string name) =>
        Array.Find(_definitions, d => d.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? Array.Find(_definitions, d => d.Key.Equals(name, StringComparison.OrdinalIgnoreCase));
}

/// <summary>What one source gives.</summary>
/// <param name="Name">What a value of it is called in a message.</param>
internal sealed record Layer(Func<OptionDefinition, string> Name)
{
    public Dictionary<string, string?> Values { get; } = new(StringComparer.OrdinalIgnoreCase);

    public void Set(OptionDefinition definition, string text) => Values[definition.Key] = definition.Text(text);
}

/// <summary>Options that can be read.</summary>
internal sealed class GivenOptions
{
    private readonly IConfigurationRoot _configuration;
    private readonly IReadOnlyList<Layer> _layers;
    private readonly IReadOnlyList<OptionDefinition> _definitions;

    public GivenOptions(IReadOnlyList<Layer> layers, IReadOnlyList<OptionDefinition> definitions)
    {
        (_layers, _definitions) = (layers, definitions);
        var builder = new ConfigurationBuilder();
        foreach (var layer in layers)
        {
            builder.AddInMemoryCollection(layer.Values);
        }

        _configuration = builder.Build();
    }

    /// <summary>Fills options.</summary>
    /// <typeparam name="T">The options.</typeparam>
    public T Get<T>()
        where T : class, new()
    {
        var options = new T();
        _configuration.Bind(options);
        return options;
    }

    /// <summary>A problem that names an option by its flag, with where else the value was given.</summary>
    /// <param name="problem">The problem.</param>
    public string Locate(string problem) =>
        _definitions.FirstOrDefault(d => problem.StartsWith(d.Flag + " (", StringComparison.Ordinal)) is { } definition
        && _layers.LastOrDefault(l => l.Values.ContainsKey(definition.Key)) is { } layer && ReferenceEquals(layer, _layers[0])
            ? $"{problem} (set as {layer.Name(definition)})"
            : problem;
}
