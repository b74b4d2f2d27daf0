using System.Globalization;
using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>
/// What an application names a backend by. <c>(namespace, name)</c> is unique: at most one backend runs for it at a time. The tag must equal the
/// holder's. Compared byte for byte, without normalisation.
/// </summary>
[GenerateSerializer, Immutable, Alias("plane.KeyConfig")]
public sealed record KeyConfig
{
    /// <summary>The name, 1 to 255 Unicode scalar values without control characters. The only part that reaches the backend.</summary>
    [Id(0)]
    public required string Name { get; init; }

    /// <summary>Lets names be reused; 0 to 255 scalar values.</summary>
    [Id(1)]
    public string Namespace { get; init; } = "";

    /// <summary>Tells backends apart that must not stand in for each other; 0 to 255 scalar values.</summary>
    [Id(2)]
    public string Tag { get; init; } = "";

    /// <summary>The grain key: injective over (namespace, name), since the namespace's length comes first.</summary>
    [JsonIgnore]
    public string GrainKey => string.Create(CultureInfo.InvariantCulture, $"{Namespace.Length}:{Namespace}{Name}");

    /// <summary>A random key, for a connect request that names none.</summary>
    public static KeyConfig NewRandom() => new() { Name = RandomText.Name("lk-") };

    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    /// <param name="path">The path of the key in the request, for the answer.</param>
    public FieldError? Validate(string path) =>
        FieldError.From($"{path}.name", NameRules.TextProblem(Name, 1))
        ?? FieldError.From($"{path}.namespace", NameRules.TextProblem(Namespace, 0))
        ?? FieldError.From($"{path}.tag", NameRules.TextProblem(Tag, 0));

    /// <summary>Namespace and name, as <c>namespace/name</c>.</summary>
    public override string ToString() => $"{Namespace}/{Name}";
}
