using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Plane.Grains.Backends;
using Plane.Grains.Feed;
using Plane.Storage;

namespace Plane.Silo.Http.Endpoints;

/// <summary>
/// Status streams (server-sent events, HTML Living Standard section 9.2). An event's id is its status: statuses only move forward, so the last one seen is a
/// position, and <c>Last-Event-ID</c> resumes without repeats.
/// <para>
/// A stream waits on the change feed by the feed's rule (subscribe, then read, then wait). While nothing happens it costs its connection, a subscription and a timer:
/// no call and no query, so that thousands are cheap.
/// </para>
/// </summary>
internal sealed class StatusStreams(
    ControllerOptions options, HistoryReader histories, ChangeFeed feed, HttpMetrics metrics, TimeProvider time, IHostApplicationLifetime lifetime)
{
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(1);
    private static readonly byte[] s_keepAlive = ":\n\n"u8.ToArray();

    /// <summary>The name of the limit of streams at once.</summary>
    public const string Limit = "status streams";

    /// <summary>Opens a stream and writes it to its end, or says why not. The pipeline limits how many there are.</summary>
    /// <param name="http">The request.</param>
    /// <param name="backend">Whose states are sent.</param>
    /// <param name="cluster">The cluster that the backend must be of, if any.</param>
    /// <param name="cancellationToken">The reader has left.</param>
    public async Task<IResult> OpenAsync(HttpContext http, BackendName backend, ClusterName? cluster, CancellationToken cancellationToken)
    {
        metrics.StreamOpened();
        try
        {
            using var subscription = feed.Subscribe(Topic.Backend(backend));
            var after = Position(http.Request);
            if (await histories.ReadAsync(backend, cancellationToken) is not { } history || (cluster is { } named && history.Cluster != named))
            {
                return RouteNames.NoBackend;
            }

            if (after == BackendStatus.Terminated)
            {
                // The stream is over and was seen to its end. 204 tells an EventSource not to come back.
                return TypedResults.NoContent();
            }

            using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping);
            await WriteAsync(http, backend, subscription, after, history.After(after), end.Token);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested && http.Response.HasStarted)
        {
            // We go: the answer ends here, an EventSource comes back to another controller and resumes.
            return TypedResults.Empty;
        }
        finally
        {
            metrics.StreamClosed();
        }

        return TypedResults.Empty;
    }

    private async Task WriteAsync(
        HttpContext http,
        BackendName backend,
        FeedSubscription subscription,
        BackendStatus? after,
        IReadOnlyList<StatusEntry>? entries,
        CancellationToken cancellationToken)
    {
        await StreamAnswer.BeginAsync(http, StreamAnswer.Events, cancellationToken);
        var response = http.Response;
        while (entries is not null)
        {
            if (entries.Count > 0)
            {
                foreach (var entry in entries)
                {
                    StreamAnswer.WriteEvent(response.BodyWriter, entry.Status.WireName(), entry);
                }

                await response.BodyWriter.FlushAsync(cancellationToken);
                after = entries[^1].Status;
                if (after == BackendStatus.Terminated)
                {
                    return;
                }
            }

            while (!await subscription.WaitAsync(options.StreamKeepAlive, cancellationToken))
            {
                await response.BodyWriter.WriteAsync(s_keepAlive, cancellationToken);
            }

            entries = await ReadAsync(backend, after, cancellationToken);
        }
    }

    // An outage doesn't end a stream: it has nothing to say until it is over.
    private async Task<IReadOnlyList<StatusEntry>?> ReadAsync(BackendName backend, BackendStatus? after, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return (await histories.ReadAsync(backend, cancellationToken))?.After(after);
            }
            catch (StoreUnavailableException)
            {
                await Task.Delay(s_retry, time, cancellationToken);
            }
        }
    }

    private static BackendStatus? Position(HttpRequest request) =>
        request.Headers["Last-Event-ID"] is [{ } id] && BackendTransitions.TryParseWireName(id, out var status) ? status : null;
}
