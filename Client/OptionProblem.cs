namespace Plane.Client;

/// <summary>A value of the options that can't be used.</summary>
/// <param name="Option">The property.</param>
/// <param name="Value">Its value.</param>
/// <param name="Rule">What the value must be. Other properties are named in it as in code.</param>
public sealed record OptionProblem(string Option, object? Value, string Rule)
{
    /// <inheritdoc/>
    public override string ToString() => Value is null ? $"{Option} is not set: {Rule}" : $"{Option} is '{Value}': {Rule}";
}
