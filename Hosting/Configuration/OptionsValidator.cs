using System.ComponentModel;
using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Options;

namespace Plane.Hosting.Configuration;

/// <summary>Checks the options of a role before anything is made of them.</summary>
/// <typeparam name="T">The options.</typeparam>
public abstract class OptionsValidator<T> : IValidateOptions<T>
    where T : class
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, T options) =>
        Problems(options) is { Count: > 0 } problems ? ValidateOptionsResult.Fail(problems) : ValidateOptionsResult.Success;

    /// <summary>What is wrong with the options, one line each.</summary>
    /// <param name="options">The options.</param>
    public IReadOnlyList<string> Problems(T options)
    {
        var rules = new OptionRules(typeof(T));
        Check(options, rules);
        return rules.Problems;
    }

    /// <summary>The options, if nothing is wrong with them.</summary>
    /// <param name="options">The options.</param>
    /// <exception cref="OptionsValidationException">A value is wrong; each failure names it.</exception>
    public T Validated(T options) =>
        Problems(options) is { Count: > 0 } problems ? throw new OptionsValidationException(typeof(T).Name, typeof(T), problems) : options;

    /// <summary>States the rules.</summary>
    /// <param name="o">The options.</param>
    /// <param name="rules">Takes each rule with the value that it is about.</param>
    protected abstract void Check(T o, OptionRules rules);
}

/// <summary>Collects what is wrong: flag, variable and value of an option, and what the value must be. The value is given as <c>o.Property</c>, which names the option.</summary>
/// <param name="options">The type of the options.</param>
public sealed class OptionRules(Type options)
{
    private readonly List<string> _problems = [];

    /// <summary>What is wrong, one line each.</summary>
    public IReadOnlyList<string> Problems => _problems;

    /// <summary>A rule.</summary>
    public void That(bool isRight, object? value, string? rule, [CallerArgumentExpression(nameof(value))] string path = "")
    {
        if (isRight)
        {
            return;
        }

        var properties = PropertiesOf(path);
        var name = $"{OptionNames.Flag(properties)} ({OptionNames.Variable(properties)})";
        var isSecret = properties[^1].GetCustomAttribute<PasswordPropertyTextAttribute>() is not null;
        _problems.Add(isSecret ? $"{name}: {rule}" : $"{name} {Is(value)}: {rule}");
    }

    /// <summary>A rule about options that are not properties of these, but flags of the command line.</summary>
    public void Flag(bool isRight, string flag, object? value, string? rule)
    {
        ArgumentNullException.ThrowIfNull(flag);
        if (!isRight)
        {
            _problems.Add($"{flag} ({OptionNames.VariablePrefix}{flag[2..].Replace('-', '_').ToUpperInvariant()}) {Is(value)}: {rule}");
        }
    }

    /// <summary>A port, or 0 for a free one.</summary>
    public void Port(int? port, [CallerArgumentExpression(nameof(port))] string path = "") => That(port is null or (>= 0 and <= 65_535), port, "must be from 0 to 65535", path);

    /// <summary>An address to listen on.</summary>
    public void Host(string host, [CallerArgumentExpression(nameof(host))] string path = "") => That(WebListener.HostProblem(host) is null, host, WebListener.HostProblem(host), path);

    /// <summary>An absolute http or https URL without a fragment.</summary>
    public void HttpUrl(Uri? url, [CallerArgumentExpression(nameof(url))] string path = "") => That(
        url is null || (url.IsAbsoluteUri && url.Scheme is "http" or "https" && url.Fragment.Length == 0), url, "must be an http or https URL", path);

    /// <summary>Networks of load balancers.</summary>
    /// <param name="networks">The networks.</param>
    /// <param name="path">The value's expression.</param>
    public void Networks(IEnumerable<string> networks, [CallerArgumentExpression(nameof(networks))] string path = "") =>
        That(networks.All(n => TrustedProxies.TryParse(n, out _)), networks, TrustedProxies.Rule, path);

    /// <summary>A name of a file or directory.</summary>
    public void Path(string? name, [CallerArgumentExpression(nameof(name))] string path = "") =>
        That(name is null || !string.IsNullOrWhiteSpace(name), name, "must name a file or directory", path);

    /// <summary>A number within bounds.</summary>
    public void Between(int number, int least, int most, [CallerArgumentExpression(nameof(number))] string path = "") =>
        That(number >= least && number <= most, number, $"must be from {least} to {most}", path);

    /// <summary>A duration within bounds.</summary>
    public void Between(TimeSpan? duration, TimeSpan least, TimeSpan most, [CallerArgumentExpression(nameof(duration))] string path = "") =>
        That(duration is null || (duration >= least && duration <= most), duration, $"must be from {DurationConverter.Show(least)} to {DurationConverter.Show(most)}", path);

    /// <summary>A duration that is not zero.</summary>
    public void Positive(TimeSpan duration, TimeSpan most, [CallerArgumentExpression(nameof(duration))] string path = "") =>
        That(duration > TimeSpan.Zero && duration <= most, duration, $"must be more than 0s and at most {DurationConverter.Show(most)}", path);

    /// <summary>The times of every lease. They have rules together, so that all are shown that are not the default.</summary>
    public void Leases(LeaseOptions numbers, [CallerArgumentExpression(nameof(numbers))] string path = "")
    {
        ArgumentNullException.ThrowIfNull(numbers);
        if (numbers.Validate() is not { } rule)
        {
            return;
        }

        var standard = new LeaseOptions();
        var properties = PropertiesOf(path);
        var given = typeof(LeaseOptions).GetProperties()
            .Where(p => !Equals(p.GetValue(numbers), p.GetValue(standard)))
            .Select(p => $"{OptionNames.Flag([.. properties, p])} ({OptionNames.Variable([.. properties, p])}) {Is(p.GetValue(numbers))}");
        _problems.Add($"{string.Join(", ", given)}: {rule}");
    }

    private List<PropertyInfo> PropertiesOf(string path)
    {
        var properties = new List<PropertyInfo>();
        foreach (var step in path.Split('.')[1..])
        {
            properties.Add((properties.Count == 0 ? options : properties[^1].PropertyType).GetProperty(step)
                ?? throw new ArgumentException($"{options.Name} has no option {path}", nameof(path)));
        }

        return properties;
    }

    private static string Is(object? value) => value is null ? "is not set" : $"is {OptionNames.Quote(value)}";
}
