using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>
/// The number of one acquisition: grows strictly with every acquisition of a key and stays the same over its renewals. Together with the backend's name
/// it is the identity of a holder.
/// </summary>
/// <param name="Value">Positive; close to the database's time in epoch milliseconds.</param>
[GenerateSerializer, Immutable, Alias("plane.FencingToken")]
[JsonConverter(typeof(Converter))]
public readonly record struct FencingToken([property: Id(0)] long Value) : IComparable<FencingToken>
{
    /// <inheritdoc/>
    public int CompareTo(FencingToken other) => Value.CompareTo(other.Value);

    /// <summary>Whether the left one was drawn earlier.</summary>
    public static bool operator <(FencingToken left, FencingToken right) => left.Value < right.Value;

    /// <summary>Whether the left one was drawn later.</summary>
    public static bool operator >(FencingToken left, FencingToken right) => left.Value > right.Value;

    /// <summary>Whether the left one was drawn earlier or is the same.</summary>
    public static bool operator <=(FencingToken left, FencingToken right) => left.Value <= right.Value;

    /// <summary>Whether the left one was drawn later or is the same.</summary>
    public static bool operator >=(FencingToken left, FencingToken right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture);

    private sealed class Converter : JsonConverter<FencingToken>
    {
        public override FencingToken Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var value) && value > 0
                ? new FencingToken(value)
                : throw new JsonException("a fencing token is a positive whole number");

        public override void Write(Utf8JsonWriter writer, FencingToken value, JsonSerializerOptions options) => writer.WriteNumberValue(value.Value);
    }
}
