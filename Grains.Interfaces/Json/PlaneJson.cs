using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plane;

/// <summary>JSON as the HTTP API and the command line speak it: snake_case, times in milliseconds since the Unix epoch, durations in seconds.</summary>
public static class PlaneJson
{
    /// <summary>The options of every HTTP body and of <c>--json</c> output.</summary>
    public static JsonSerializerOptions Http { get; } = Create();

    private static JsonSerializerOptions Create()
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web)
        {
            PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
            PropertyNameCaseInsensitive = false,
            NumberHandling = JsonNumberHandling.Strict,
            MaxDepth = 32,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            RespectNullableAnnotations = true,
            Converters = { new EpochMillisecondsConverter() },
        };
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }

    private sealed class EpochMillisecondsConverter : JsonConverter<DateTimeOffset>
    {
        public override DateTimeOffset Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            if (reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var ms) && Math.Abs(ms) < 253_402_300_800_000)
            {
                return DateTimeOffset.FromUnixTimeMilliseconds(ms);
            }

            throw new JsonException("a time is a whole number of milliseconds since the Unix epoch");
        }

        public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) =>
            writer.WriteNumberValue(value.ToUnixTimeMilliseconds());
    }
}
