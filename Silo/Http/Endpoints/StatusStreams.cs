using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Hosting;

namespace Plane.Silo.Http.Endpoints;

/// <summary>
/// Status streams (server-sent events, HTML Living Standard section 9.2). An event's id is its status: statuses only move forward, so the last one seen is a
/// position, and <c>Last-Event-ID</c> resumes without repeats. A stream costs one waiting call of the backend's grain and nothing while nothing happens; the change
/// feed wakes it.
/// </summary>
internal sealed class StatusStreams(SiloOptions options, HttpMetrics metrics, TimeProvider time, IHostApplicationLifetime lifetime)
{
    /// <summary>The longest that one call waits, as the grain's interface says.</summary>
    public static TimeSpan LongestWait { get; } = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(1);
    private static readonly byte[] s_keepAlive = ":\n\n"u8.ToArray();
    private int _open;

    /// <summary>Opens a stream, or says why not.</summary>
    public async Task<IResult> OpenAsync(HttpContext http, IBackendGrain grain, CancellationToken cancellationToken)
    {
        var after = Position(http.Request);
        var first = await grain.ReadStatus(after, TimeSpan.Zero, cancellationToken);
        if (!first.Exists)
        {
            return RouteNames.NoBackend;
        }

        if (after == BackendStatus.Terminated)
        {
            // The stream is over and was seen to its end. 204 tells an EventSource not to come back.
            return TypedResults.NoContent();
        }

        if (Interlocked.Increment(ref _open) > options.MaxStatusStreams)
        {
            Interlocked.Decrement(ref _open);
            return new ApiError(ErrorKind.Other, "too many status streams are open, try again later") { Status = StatusCodes.Status503ServiceUnavailable };
        }

        metrics.StreamOpened();
        try
        {
            using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping);
            await WriteAsync(http, grain, after, first, end.Token);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested || lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // The reader left, or we go: an EventSource comes back by itself and resumes.
        }
        finally
        {
            Interlocked.Decrement(ref _open);
            metrics.StreamClosed();
        }

        return TypedResults.Empty;
    }

    private async Task WriteAsync(HttpContext http, IBackendGrain grain, BackendStatus? after, StatusPage page, CancellationToken cancellationToken)
    {
        http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        var response = http.Response;
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-cache, no-store";
        response.Headers["X-Accel-Buffering"] = "no";
        await response.StartAsync(cancellationToken);
        var lastWrite = time.GetTimestamp();
        while (page.Exists)
        {
            if (page.Entries.Length > 0)
            {
                Write(response.BodyWriter, page.Entries);
                await response.BodyWriter.FlushAsync(cancellationToken);
                lastWrite = time.GetTimestamp();
                after = page.Entries[^1].Status;
                if (after == BackendStatus.Terminated)
                {
                    return;
                }
            }

            var idle = time.GetElapsedTime(lastWrite);
            if (idle >= options.StreamKeepAlive)
            {
                await response.BodyWriter.WriteAsync(s_keepAlive, cancellationToken);
                lastWrite = time.GetTimestamp();
                idle = TimeSpan.Zero;
            }

            var wait = options.StreamKeepAlive - idle;
            page = await NextAsync(grain, after, wait < LongestWait ? wait : LongestWait, cancellationToken);
        }
    }

    // An outage doesn't end a stream: it has nothing to say until it is over.
    private async Task<StatusPage> NextAsync(IBackendGrain grain, BackendStatus? after, TimeSpan wait, CancellationToken cancellationToken)
    {
        try
        {
            return await grain.ReadStatus(after, wait, cancellationToken);
        }
        catch (Exception e) when (CallFailed.IsUnknownOutcome(e))
        {
            await Task.Delay(wait < s_retry ? wait : s_retry, time, cancellationToken);
            return new StatusPage { Exists = true };
        }
    }

    private static void Write(IBufferWriter<byte> output, StatusEntry[] entries)
    {
        foreach (var entry in entries)
        {
            output.Write("id: "u8);
            output.Write(System.Text.Encoding.ASCII.GetBytes(entry.Status.WireName()));
            output.Write("\ndata: "u8);
            using (var json = new Utf8JsonWriter(output, new JsonWriterOptions { Encoder = PlaneJson.Http.Encoder }))
            {
                JsonSerializer.Serialize(json, entry, PlaneJson.Http);
            }

            output.Write("\n\n"u8);
        }
    }

    private static BackendStatus? Position(HttpRequest request) =>
        request.Headers["Last-Event-ID"] is [{ } id] && BackendTransitions.TryParseWireName(id, out var status) ? status : null;
}
