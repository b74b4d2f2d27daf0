using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;

namespace Plane;

/// <summary>What makes two connects the same request: the id that the caller gave, and what was asked for.</summary>
public sealed record RequestIdentity
{
    /// <summary>How long an answer is kept for repeats.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromMinutes(10);

    /// <summary>The caller's id.</summary>
    public required string Id { get; init; }

    /// <summary>SHA-256 of everything else in the request, in hexadecimal digits.</summary>
    public required string Digest { get; init; }

    /// <summary>A request's identity; null where it has no id.</summary>
    /// <param name="request">The request.</param>
    public static RequestIdentity? Of(ConnectRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return request.RequestId is { } id ? new RequestIdentity { Id = id, Digest = DigestOf(request with { RequestId = null }) } : null;
    }

    // Of what was read, not of the bytes that came: an order of fields or a blank makes no other request.
    private static string DigestOf(ConnectRequest request)
    {
        var bytes = new ArrayBufferWriter<byte>(512);
        using (var writer = new Utf8JsonWriter(bytes))
        {
            Write(writer, JsonSerializer.SerializeToElement(request, PlaneJson.Http));
        }

        return Convert.ToHexStringLower(SHA256.HashData(bytes.WrittenSpan));
    }

    private static void Write(Utf8JsonWriter writer, JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var property in element.EnumerateObject().OrderBy(p => p.Name, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(property.Name);
                    Write(writer, property.Value);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in element.EnumerateArray())
                {
                    Write(writer, item);
                }

                writer.WriteEndArray();
                break;
            default:
                element.WriteTo(writer);
                break;
        }
    }
}
