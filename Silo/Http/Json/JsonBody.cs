using System.Buffers;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;

namespace Plane.Silo.Http.Json;

/// <summary>Reads a request's JSON body: strictly where it says what we know, tolerant of fields that we don't.</summary>
internal static class JsonBody
{
    /// <summary>
    /// JSON must be declared as such. A page of another origin can make a browser post text or a form to a controller on the user's own network without
    /// being asked, but not <c>application/json</c>.
    /// </summary>
    public static ApiError NotJson { get; } =
        ApiError.Invalid("the body must be JSON, with content-type: application/json") with { Status = StatusCodes.Status415UnsupportedMediaType };

    /// <summary>As the API's JSON is written, and a field given twice is an error: which one counts differs from reader to reader.</summary>
    private static readonly JsonSerializerOptions s_options = Strict();

    /// <summary>Reads the body.</summary>
    /// <returns>The value, or what is wrong with it.</returns>
    public static async Task<(T? Value, ApiError? Error)> ReadAsync<T>(HttpRequest request, CancellationToken cancellationToken)
        where T : class
    {
        if (!IsJson(request.ContentType))
        {
            return (null, NotJson);
        }

        // Kestrel ends a body beyond the limit by an exception that says 413.
        var reader = request.BodyReader;
        while (true)
        {
            var read = await reader.ReadAsync(cancellationToken);
            if (read.IsCompleted)
            {
                var body = read.Buffer.ToArray();
                reader.AdvanceTo(read.Buffer.End);
                return Parse<T>(body);
            }

            reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    /// <summary>Reads a value from its bytes.</summary>
    internal static (T? Value, ApiError? Error) Parse<T>(ReadOnlyMemory<byte> body)
        where T : class
    {
        if (body.IsEmpty)
        {
            return (null, ApiError.Invalid("the body is empty; it must be a JSON object"));
        }

        if (!Utf8.IsValid(body.Span))
        {
            return (null, ApiError.Invalid("the body is not valid UTF-8"));
        }

        try
        {
            return JsonSerializer.Deserialize<T>(body.Span, s_options) is { } value
                ? (value, null)
                : (null, ApiError.Invalid("the body must be a JSON object"));
        }
        catch (JsonException)
        {
            // The serializer's own words name our types; the explanation is looked for afresh, on this path alone.
            return (null, ApiError.Invalid(Explain(body, typeof(T))));
        }
    }

    private static string Explain(ReadOnlyMemory<byte> body, Type type)
    {
        try
        {
            using var document = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = s_options.MaxDepth });
            return JsonExplanation.FirstProblem(document.RootElement, type, s_options)?.Message ?? "the body does not have the form of this request";
        }
        catch (JsonException e)
        {
            return $"the body is not valid JSON, or nested deeper than {s_options.MaxDepth} levels, at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}";
        }
    }

    private static bool IsJson(string? contentType) =>
        contentType == "application/json"
        || MediaTypeHeaderValue.TryParse(contentType, out var type)
            && type.MediaType is { } media
            && (media.Equals("application/json", StringComparison.OrdinalIgnoreCase)
                || (media.StartsWith("application/", StringComparison.OrdinalIgnoreCase) && media.EndsWith("+json", StringComparison.OrdinalIgnoreCase)))
            && (type.CharSet is null || type.CharSet.Trim('"').Equals("utf-8", StringComparison.OrdinalIgnoreCase));

    private static JsonSerializerOptions Strict()
    {
        var options = new JsonSerializerOptions(PlaneJson.Http) { AllowDuplicateProperties = false };
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }
}
