using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Plane.ProxyHost.Forwarding;

namespace Plane.ProxyHost.Answers;

/// <summary>
/// Writes errors: <c>{id, kind, message}</c>, or a page where the client is a browser that shows one. Neither repeats anything of the request. The id is in
/// the log.
/// </summary>
internal sealed partial class ErrorResponses(ProxyMetrics metrics, ILogger<ErrorResponses> logger)
{
    private const long RetryAfter = 5;
    private const long MostRetryAfter = 3_600;

    /// <summary>Answers, if anything can still be answered.</summary>
    /// <param name="context">The request.</param>
    /// <param name="error">What to answer.</param>
    /// <param name="backend">The backend, for the log; or empty.</param>
    /// <param name="status">Another status of the same kind, or null.</param>
    /// <param name="quiet">Whether it is not an error that anyone looks for: it isn't counted.</param>
    /// <param name="retryAfter">When to retry, where that is known.</param>
    /// <param name="prepare">Sets headers of this answer that are not every error's.</param>
    public async Task WriteAsync(
        HttpContext context, ProxyError error, string backend = "", int? status = null, bool quiet = false, TimeSpan? retryAfter = null, Action<IHeaderDictionary>? prepare = null)
    {
        var response = context.Response;
        if (response.HasStarted || context.RequestAborted.IsCancellationRequested)
        {
            return;
        }

        var id = RandomText.Name("");
        Log(error, id, backend);
        if (!quiet)
        {
            metrics.Failed(error.Kind);
        }

        response.Clear();
        response.StatusCode = status ?? error.Status;
        var headers = response.Headers;
        headers.Server = ResponseHeaders.Server;
        headers.CacheControl = "no-store";
        headers.XContentTypeOptions = "nosniff";

        // A page of another origin may learn that the session has ended: the secret in the URL is what protects it.
        ResponseHeaders.AllowAllOrigins(headers);
        var seconds = retryAfter is { } after ? (long)Math.Clamp(Math.Ceiling(after.TotalSeconds), 1, MostRetryAfter) : RetryAfter;
        if (retryAfter is not null || error.Status is StatusCodes.Status503ServiceUnavailable or StatusCodes.Status429TooManyRequests)
        {
            headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }

        if (error.Status == StatusCodes.Status401Unauthorized)
        {
            // RFC 9110 section 15.5.2 wants one.
            headers.WWWAuthenticate = error.Challenge;
        }

        prepare?.Invoke(headers);
        var body = WantsPage(context.Request) ? Page(headers, error, id, error.IsPassing ? seconds : null) : Json(headers, error, id);
        headers.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(body, context.RequestAborted);
        }
    }

    /// <summary>Whether the client shows pages, as browsers do that go to a URL.</summary>
    public static bool AcceptsPage(HttpRequest request) => request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase);

    private static bool WantsPage(HttpRequest request) =>
        (HttpMethods.IsGet(request.Method) || HttpMethods.IsPost(request.Method)) && AcceptsPage(request);

    private static ReadOnlyMemory<byte> Json(IHeaderDictionary headers, ProxyError error, string id)
    {
        headers.ContentType = "application/json";
        var buffer = new ArrayBufferWriter<byte>(160);
        using var writer = new Utf8JsonWriter(buffer);
        writer.WriteStartObject();
        writer.WriteString("id", id);
        writer.WriteString("kind", error.Kind);
        writer.WriteString("message", error.Message);
        writer.WriteEndObject();
        writer.Flush();
        return buffer.WrittenMemory;
    }

    private static ReadOnlyMemory<byte> Page(IHeaderDictionary headers, ProxyError error, string id, long? again)
    {
        headers.ContentType = "text/html; charset=utf-8";
        headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors *";
        return Encoding.UTF8.GetBytes(ErrorPage.Render(error, id, again));
    }

    private void Log(ProxyError error, string id, string backend)
    {
        if (error.Status >= StatusCodes.Status500InternalServerError)
        {
            LogFailed(error.Status, error.Kind, id, backend);
        }
        else
        {
            LogRefused(error.Status, error.Kind, id, backend);
        }
    }

    [LoggerMessage(EventIds.ErrorResponsesFailed, LogLevel.Warning, "Answered {Status} {Kind}, id {Id}, backend {Backend}")]
    private partial void LogFailed(int status, string kind, string id, string backend);

    [LoggerMessage(EventIds.ErrorResponsesRefused, LogLevel.Debug, "Answered {Status} {Kind}, id {Id}, backend {Backend}")]
    private partial void LogRefused(int status, string kind, string id, string backend);
}
