using System.Text.Json;
using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>Which directory to mount: on the wire <c>true</c> for one named after the key, or a relative path.</summary>
/// <param name="Path">The path below the drone's mount base, or null for the key's own directory.</param>
[GenerateSerializer, Immutable, Alias("plane.MountRequest")]
[JsonConverter(typeof(Converter))]
public sealed record MountRequest([property: Id(0)] string? Path)
{
    private sealed class Converter : JsonConverter<MountRequest?>
    {
        public override bool HandleNull => true;

        public override MountRequest? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
        {
            JsonTokenType.True => new MountRequest((string?)null),
            JsonTokenType.False or JsonTokenType.Null => null,
            JsonTokenType.String => new MountRequest(reader.GetString()),
            _ => throw new JsonException("a mount is true or a relative path"),
        };

        public override void Write(Utf8JsonWriter writer, MountRequest? value, JsonSerializerOptions options)
        {
            if (value is null)
            {
                writer.WriteNullValue();
            }
            else if (value.Path is null)
            {
                writer.WriteBooleanValue(true);
            }
            else
            {
                writer.WriteStringValue(value.Path);
            }
        }
    }
}
