using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace Plane.Silo.Http.Logs;

/// <summary>
/// Writes a backend's output as the answer of a request: lines of text, or of JSON. The text is as the backend wrote it, escape sequences included, and is declared as text that no browser may take for
/// anything else.
/// </summary>
internal sealed class LogStreams(BackendLogs logs, IHostApplicationLifetime lifetime)
{
    /// <summary>The name of the limit of answers at once.</summary>
    public const string Limit = "logs";

    /// <summary>How many at once; each costs a connection and up to some hundred kB.</summary>
    public const int MaxStreams = 500;

    /// <summary>JSON lines.</summary>
    public const string JsonLines = "application/x-ndjson";

    /// <summary>Writes the answer to its end, or says why not.</summary>
    public async Task<IResult> WriteAsync(HttpContext http, BackendDetails backend, LogQuery query, CancellationToken cancellationToken)
    {
        var (lines, position) = await logs.ReadAsync(backend, query, cancellationToken);
        if (lines is null && !query.Follow)
        {
            return backend.Status < BackendStatus.Terminated
                ? await BeginAsync(http, Format(http.Request), cancellationToken)
                : new ApiError(ErrorKind.NotFound, "there is no output of this backend: it never ran, or what it wrote was removed");
        }

        if (lines is null && backend.Status == BackendStatus.Terminated)
        {
            return new ApiError(ErrorKind.NotFound, "there is no output of this backend: it never ran, or what it wrote was removed");
        }

        var asJson = Format(http.Request);
        await BeginAsync(http, asJson, cancellationToken);
        var body = http.Response.BodyWriter;
        Write(body, lines ?? [], asJson);
        await body.FlushAsync(cancellationToken);
        if (!query.Follow)
        {
            return TypedResults.Empty;
        }

        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping);
        try
        {
            await foreach (var batch in logs.FollowAsync(backend, query, position, end.Token))
            {
                Write(body, batch, asJson);

                // Waits for a reader that is slow: the lines that it misses meanwhile are counted.
                await body.FlushAsync(end.Token);
            }
        }
        catch (OutputUnavailableException e)
        {
            WriteNotice(body, e.Message, asJson);
            await body.FlushAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // Half of an answer must not look like a whole one: a follower asks another controller, from the last line on.
            http.Abort();
        }

        return TypedResults.Empty;
    }

    private static bool Format(HttpRequest request) =>
        request.GetTypedHeaders().Accept.Any(a => a.MediaType.Equals(JsonLines, StringComparison.OrdinalIgnoreCase));

    private static async Task<IResult> BeginAsync(HttpContext http, bool asJson, CancellationToken cancellationToken)
    {
        http.Response.Headers.XContentTypeOptions = "nosniff";
        http.Response.Headers.ContentSecurityPolicy = "sandbox; default-src 'none'";
        await StreamAnswer.BeginAsync(http, asJson ? JsonLines : "text/plain; charset=utf-8", cancellationToken);
        return TypedResults.Empty;
    }

    private static void Write(IBufferWriter<byte> output, OutputLine[] lines, bool asJson)
    {
        foreach (var line in lines)
        {
            if (asJson)
            {
                StreamAnswer.WriteJson(output, line);
                output.Write("\n"u8);
                continue;
            }

            if (line.Dropped != 0)
            {
                WriteText(output, Missing(line.Dropped));
            }

            WriteText(output, line.Cut ? string.Create(CultureInfo.InvariantCulture, $"{line.Text} [cut at {OutputLine.MaxBytes} bytes]") : line.Text);
        }
    }

    /// <summary>The line that says how many others are missing.</summary>
    internal static string Missing(long dropped) => dropped < 0
        ? "[lines were dropped here: the reader was too slow for them]"
        : string.Create(CultureInfo.InvariantCulture, $"[{dropped} {(dropped == 1 ? "line was" : "lines were")} dropped here: the reader was too slow for {(dropped == 1 ? "it" : "them")}]");

    private static void WriteNotice(IBufferWriter<byte> output, string message, bool asJson)
    {
        if (asJson)
        {
            using (var json = new Utf8JsonWriter(output))
            {
                json.WriteStartObject();
                json.WriteString("problem", message);
                json.WriteEndObject();
            }

            output.Write("\n"u8);
        }
        else
        {
            WriteText(output, $"[{message}]");
        }
    }

    private static void WriteText(IBufferWriter<byte> output, string text)
    {
        Encoding.UTF8.GetBytes(text, output);
        output.Write("\n"u8);
    }
}
