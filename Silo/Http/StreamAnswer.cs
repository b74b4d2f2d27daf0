using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Plane.Silo.Http;

/// <summary>Answers that continue: their head is sent at once, and no cache or proxy may keep or buffer them.</summary>
internal static class StreamAnswer
{
    /// <summary>Server-sent events (HTML Living Standard section 9.2).</summary>
    public const string Events = "text/event-stream";

    /// <summary>Sends the head of an answer.</summary>
    public static Task BeginAsync(HttpContext http, string contentType, CancellationToken cancellationToken)
    {
        http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        var response = http.Response;
        response.ContentType = contentType;
        response.Headers.CacheControl = "no-cache, no-store";
        response.Headers["X-Accel-Buffering"] = "no";
        return response.StartAsync(cancellationToken);
    }

    /// <summary>Writes an event.</summary>
    public static void WriteEvent<T>(IBufferWriter<byte> output, string id, T data)
    {
        output.Write("id: "u8);
        output.Write(Encoding.ASCII.GetBytes(id));
        output.Write("\ndata: "u8);
        WriteJson(output, data);
        output.Write("\n\n"u8);
    }

    /// <summary>Writes a value as the API's JSON is.</summary>
    public static void WriteJson<T>(IBufferWriter<byte> output, T value)
    {
        using var json = new Utf8JsonWriter(output, new JsonWriterOptions { Encoder = PlaneJson.Http.Encoder });
        JsonSerializer.Serialize(json, value, PlaneJson.Http);
    }
}
