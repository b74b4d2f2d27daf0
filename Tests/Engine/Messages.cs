using System.Text.Json;
using System.Text.Json.Serialization;
using Orleans;

namespace Plane.Tests.Engine;

public enum Colour
{
    None = 0,
    Red = 3,
    Blue = -7,
}

[GenerateSerializer, Immutable, Alias("tests.Everything")]
public sealed record Everything(
    [property: Id(0)] bool Flag,
    [property: Id(1)] int Number,
    [property: Id(2)] long Big,
    [property: Id(3)] ulong Huge,
    [property: Id(4)] double Real,
    [property: Id(5)] decimal Money,
    [property: Id(6)] string Text,
    [property: Id(7)] string? Absent,
    [property: Id(8)] TimeSpan Span,
    [property: Id(9)] DateTimeOffset Moment,
    [property: Id(10)] Colour Colour,
    [property: Id(11)] Colour? NoColour,
    [property: Id(12)] int[] Numbers,
    [property: Id(13)] Dictionary<string, string> Pairs,
    [property: Id(14)] Inner? Inner,
    [property: Id(15)] Inner[] Inners,
    [property: Id(16)] byte[] Bytes,
    [property: Id(17)] Guid Unique,
    [property: Id(18)] int? MaybeNumber,
    [property: Id(19)] ProbeName Name)
{
    /// <summary>Computed: must not travel, and would throw if it were asked on an incomplete message.</summary>
    public int TextLength => Text.Length;
}

[GenerateSerializer, Immutable, Alias("tests.Inner")]
public sealed record Inner([property: Id(0)] string Text, [property: Id(1)] Inner? Next = null);

/// <summary>Null where the constructor has another default: a writer that leaves nulls out would bring the default back.</summary>
[GenerateSerializer, Immutable, Alias("tests.WithDefaults")]
public sealed record WithDefaults([property: Id(0)] string? Text = "default", [property: Id(1)] int? Number = 5);

[JsonPolymorphic]
[JsonDerivedType(typeof(Circle), "tests.Circle")]
[JsonDerivedType(typeof(Square), "tests.Square")]
[GenerateSerializer, Immutable, Alias("tests.Shape")]
public abstract record Shape;

[GenerateSerializer, Immutable, Alias("tests.Circle")]
public sealed record Circle([property: Id(0)] double Radius) : Shape;

[GenerateSerializer, Immutable, Alias("tests.Square")]
public sealed record Square([property: Id(0)] double Side, [property: Id(1)] Shape? Inside = null) : Shape;

/// <summary>A name as the contract has them: a string that is validated wherever it comes from.</summary>
[GenerateSerializer, Immutable, Alias("tests.ProbeName")]
[JsonConverter(typeof(ProbeNameConverter))]
public readonly record struct ProbeName
{
    [Id(0)]
    private readonly string? _value;

    private ProbeName(string value) => _value = value;

    public string Value => _value ?? "";

    public static ProbeName Parse(string value) => value.Length is > 0 and < 20 && value.All(char.IsAsciiLetterLower)
        ? new ProbeName(value)
        : throw new FormatException($"'{value}' is no name");

    public override string ToString() => Value;
}

public sealed class ProbeNameConverter : JsonConverter<ProbeName>
{
    public override ProbeName Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        ProbeName.Parse(reader.GetString() ?? throw new JsonException("a name is a string"));

    public override void Write(Utf8JsonWriter writer, ProbeName value, JsonSerializerOptions options) => writer.WriteStringValue(value.Value);
}
