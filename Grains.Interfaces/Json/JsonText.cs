using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>A JSON value kept as its text: passed through, never looked into.</summary>
[Immutable, Alias("plane.JsonText")]
[JsonConverter(typeof(Converter))]
public readonly record struct JsonText
{
    private readonly string? _text;

    private JsonText(string text) => _text = text;

    /// <summary>The text: valid JSON, ASCII only (everything else is escaped), without white space between tokens.</summary>
    public string Text => _text ?? "null";

    /// <summary>Reads one JSON value.</summary>
    /// <param name="text">The JSON text.</param>
    /// <param name="json">The value, where the text is valid.</param>
    /// <returns>Whether the text is one valid JSON value.</returns>
    public static bool TryParse(string text, out JsonText json)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            json = Compact(document.RootElement);
            return true;
        }
        catch (JsonException)
        {
            json = default;
            return false;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => Text;

    private static JsonText Compact(JsonElement element)
    {
        using var buffer = new MemoryStream();
        try
        {
            using var writer = new Utf8JsonWriter(buffer);
            element.WriteTo(writer);
        }
        catch (InvalidOperationException e)
        {
            throw new JsonException("a text is not valid Unicode", e);
        }

        return new JsonText(Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length));
    }

    private sealed class Converter : JsonConverter<JsonText>
    {
        public override JsonText Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            using var document = JsonDocument.ParseValue(ref reader);
            return Compact(document.RootElement);
        }

        public override void Write(Utf8JsonWriter writer, JsonText value, JsonSerializerOptions options) => writer.WriteRawValue(value.Text);
    }
}
