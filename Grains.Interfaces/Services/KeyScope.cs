using Orleans;

namespace Plane;

/// <summary>The keys of a service that a visitor's signed token opens.</summary>
[GenerateSerializer, Immutable, Alias("plane.KeyScope")]
public sealed record KeyScope
{
    /// <summary>The most names and beginnings of names.</summary>
    public const int MaxNames = 32;

    /// <summary>The namespace of the keys, as the service's callers name it.</summary>
    [Id(0)]
    public string Namespace { get; init; } = "";

    /// <summary>Names of keys.</summary>
    [Id(1)]
    public string[] Names { get; init; } = [];

    /// <summary>What names of keys begin with; the empty text stands for all.</summary>
    [Id(2)]
    public string[] Prefixes { get; init; } = [];

    /// <summary>Whether a key, as the service's callers name it, is one of them.</summary>
    /// <param name="key">The key.</param>
    public bool Has(KeyConfig key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (key.Namespace != Namespace)
        {
            return false;
        }

        foreach (var name in Names)
        {
            if (key.Name == name)
            {
                return true;
            }
        }

        foreach (var prefix in Prefixes)
        {
            if (key.Name.StartsWith(prefix, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    /// <param name="path">Its path in the message.</param>
    public FieldError? Validate(string path) =>
        FieldError.From($"{path}.namespace", NameRules.TextProblem(Namespace, 0))
        ?? (Names is null || Prefixes is null || Names.Length + Prefixes.Length > MaxNames
            ? new FieldError(path, $"must have at most {MaxNames} names and prefixes")
            : Names.Select(static n => NameRules.TextProblem(n, 1)).Concat(Prefixes.Select(static p => NameRules.TextProblem(p, 0))).FirstOrDefault(static p => p is not null) is { } problem
                ? new FieldError(path, problem)
                : null);

    /// <summary>How many there are: the names are the application's.</summary>
    public override string ToString() => $"{Names.Length} names, {Prefixes.Length} prefixes";
}
