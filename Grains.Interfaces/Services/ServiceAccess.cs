using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>How a service decides who may enter.</summary>
[GenerateSerializer, Alias("plane.ServiceAccessKind")]
public enum ServiceAccessKind
{
    /// <summary>Everyone may.</summary>
    Public = 1,

    /// <summary>Who has a token that is signed by a key of the service (<see cref="SigningKey"/>).</summary>
    Signed = 2,

    /// <summary>Visitors that another web service lets in.</summary>
    ForwardAuth = 3,
}

/// <summary>Who may enter a service's sessions: in JSON <c>"public"</c>, <c>"signed"</c> or <c>{"forward_auth": URL}</c>.</summary>
[GenerateSerializer, Immutable, Alias("plane.ServiceAccess")]
[JsonConverter(typeof(Converter))]
public sealed record ServiceAccess
{
    /// <summary>The longest URL.</summary>
    public const int MaxUrl = 2048;

    private const string ForwardAuthName = "forward_auth";

    /// <summary>Everyone may enter.</summary>
    public static ServiceAccess Public { get; } = new() { Kind = ServiceAccessKind.Public };

    /// <summary>Signed tokens are asked for.</summary>
    public static ServiceAccess Signed { get; } = new() { Kind = ServiceAccessKind.Signed };

    /// <summary>The kind.</summary>
    [Id(0)]
    public required ServiceAccessKind Kind { get; init; }

    /// <summary>The URL that is asked about each visitor, for <see cref="ServiceAccessKind.ForwardAuth"/>, and only then.</summary>
    [Id(1)]
    public string? ForwardAuth { get; init; }

    /// <summary>Another web service is asked.</summary>
    /// <param name="url">Its URL.</param>
    public static ServiceAccess ByForwardAuth(string url) => new() { Kind = ServiceAccessKind.ForwardAuth, ForwardAuth = url };

    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    /// <param name="path">Its path in the request.</param>
    public FieldError? Validate(string path) => this switch
    {
        { Kind: ServiceAccessKind.Public or ServiceAccessKind.Signed, ForwardAuth: null } => null,
        { Kind: ServiceAccessKind.ForwardAuth } => FieldError.From($"{path}.{ForwardAuthName}", UrlProblem(ForwardAuth)),
        _ => new FieldError(path, "must be \"public\", \"signed\" or {\"forward_auth\": URL}"),
    };

    /// <summary>As in JSON, for a person.</summary>
    public override string ToString() => Kind switch
    {
        ServiceAccessKind.Public => "public",
        ServiceAccessKind.Signed => "signed",
        _ => $"{ForwardAuthName} {ForwardAuth}",
    };

    private static string? UrlProblem(string? url) =>
        url is null ? "must be given"
        : url.Length > MaxUrl ? string.Create(CultureInfo.InvariantCulture, $"must have at most {MaxUrl} characters")
        : Ascii.IsValid(url)
            && !url.Any(static c => char.IsControl(c) || char.IsWhiteSpace(c))
            && Uri.TryCreate(url, UriKind.Absolute, out var uri)
            && uri.Scheme is "http" or "https"
            && uri is { UserInfo: "", Fragment: "" } ? null
        : "must be an http or https URL, without user and fragment";

    private sealed class Converter : JsonConverter<ServiceAccess>
    {
        private const string Rule = "access is \"public\", \"signed\" or {\"forward_auth\": URL}";

        public override ServiceAccess Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            if (reader.TokenType == JsonTokenType.String)
            {
                return reader.GetString() switch
                {
                    "public" => Public,
                    "signed" => Signed,
                    _ => throw new JsonException(Rule),
                };
            }

            if (reader.TokenType != JsonTokenType.StartObject
                || !reader.Read() || reader.TokenType != JsonTokenType.PropertyName || !reader.ValueTextEquals(ForwardAuthName)
                || !reader.Read() || reader.TokenType != JsonTokenType.String)
            {
                throw new JsonException(Rule);
            }

            var access = ByForwardAuth(reader.GetString()!);
            return reader.Read() && reader.TokenType == JsonTokenType.EndObject ? access : throw new JsonException(Rule);
        }

        public override void Write(Utf8JsonWriter writer, ServiceAccess value, JsonSerializerOptions options)
        {
            if (value.Kind != ServiceAccessKind.ForwardAuth)
            {
                writer.WriteStringValue(value.ToString());
                return;
            }

            writer.WriteStartObject();
            writer.WriteString(ForwardAuthName, value.ForwardAuth);
            writer.WriteEndObject();
        }
    }
}
