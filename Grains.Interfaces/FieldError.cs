using Orleans;

namespace Plane;

/// <summary>What is wrong with one field of a request.</summary>
/// <param name="Path">The field, as <c>spawn_config.executable.image</c>.</param>
/// <param name="Problem">What is wrong with it, to follow the path in a sentence.</param>
[GenerateSerializer, Immutable, Alias("plane.FieldError")]
public sealed record FieldError([property: Id(0)] string Path, [property: Id(1)] string Problem)
{
    /// <summary>The sentence.</summary>
    public string Message => $"{Path} {Problem}";

    /// <summary>An error where there is a problem, else <see langword="null"/>.</summary>
    /// <param name="path">The field.</param>
    /// <param name="problem">The problem, or <see langword="null"/>.</param>
    public static FieldError? From(string path, string? problem) => problem is null ? null : new FieldError(path, problem);
}
