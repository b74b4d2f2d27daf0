using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plane;

/// <summary>An <see cref="ClusterEventId"/> in JSON is its text.</summary>
internal sealed class ClusterEventIdJsonConverter : JsonConverter<ClusterEventId>
{
    public override ClusterEventId Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && ClusterEventId.TryParse(reader.GetString(), out var id) ? id : throw new JsonException(ClusterEventId.Rule);

    public override void Write(Utf8JsonWriter writer, ClusterEventId value, JsonSerializerOptions options) => writer.WriteStringValue(value.ToString());
}
