using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plane;

/// <summary>A name that travels as a plain string and is validated again wherever it is read.</summary>
/// <typeparam name="TSelf">The name's own type.</typeparam>
public interface IPlaneName<TSelf>
    where TSelf : struct, IPlaneName<TSelf>
{
    /// <summary>The text as it travels. A default instance has none and throws.</summary>
    string Value { get; }

    /// <summary>What a valid text looks like, for error messages.</summary>
    static abstract string Rule { get; }

    /// <summary>Validates <paramref name="text"/>; nothing is trimmed or repaired.</summary>
    /// <param name="text">The text to read.</param>
    /// <param name="name">The name, where the text is valid.</param>
    /// <returns>Whether the text is valid.</returns>
    static abstract bool TryParse(string? text, out TSelf name);
}

/// <summary>Writes a name as a plain string and re-validates it on read, so that no wire can bring in an invalid one.</summary>
/// <typeparam name="T">The name's type.</typeparam>
public sealed class NameJsonConverter<T> : JsonConverter<T>
    where T : struct, IPlaneName<T>
{
    /// <inheritdoc/>
    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && T.TryParse(reader.GetString(), out var name) ? name : throw new JsonException(T.Rule);

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WriteStringValue(value.Value);

    /// <inheritdoc/>
    public override T ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        T.TryParse(reader.GetString(), out var name) ? name : throw new JsonException(T.Rule);

    /// <inheritdoc/>
    public override void WriteAsPropertyName(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WritePropertyName(value.Value);
}
