using System.Buffers;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Plane.Grains.Feed;
using Plane.Storage;

namespace Plane.Silo.Http.Endpoints;

/// <summary>
/// The change log as server-sent events. An event's id is its place in the log, which is in the database: a reader that comes back, to this controller or another, states the last one that it has, and misses none and sees none
/// twice. A stream waits on the change feed by the feed's rule (subscribe, then read, then wait), and reads at most five times a second, however much happens.
/// </summary>
internal sealed class EventStreams(ControllerOptions options, IChangeLog store, ChangeFeed feed, TimeProvider time, IHostApplicationLifetime lifetime)
{
    /// <summary>The name of the limit of streams at once.</summary>
    public const string Limit = "events";

    /// <summary>How many at once: each reads the log by itself.</summary>
    public const int MaxStreams = 100;

    private const int PageSize = 500;

    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(1);
    private static readonly byte[] s_keepAlive = ":\n\n"u8.ToArray();

    /// <summary>Pages of events as they happen, without end. An outage of the database is waited for, unless it is there from the beginning.</summary>
    /// <param name="cluster">Only this cluster's.</param>
    /// <param name="after">Those after this; null for those from now on.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Pages; an empty one now and then while nothing happens.</returns>
    public async IAsyncEnumerable<EventPage> FollowAsync(
        ClusterName? cluster, LogPosition? after, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var subscription = feed.Subscribe(Topic.Any);
        var position = after ?? await store.ReadLogEndAsync(cancellationToken);
        for (var isFirst = true; ; isFirst = false)
        {
            var page = isFirst ? await store.ReadEventsAsync(cluster, position, PageSize, cancellationToken) : await ReadAsync(cluster, position, cancellationToken);
            position = page.Next.Position;
            yield return page;
            if (page.Events.Length < PageSize)
            {
                await Task.Delay(s_pause, time, cancellationToken);
                await subscription.WaitAsync(options.StreamKeepAlive, cancellationToken);
            }
        }
    }

    /// <summary>Writes a stream to its end.</summary>
    public async Task<IResult> WriteAsync(HttpContext http, ClusterName? cluster, LogPosition? after, CancellationToken cancellationToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping);
        await using var pages = FollowAsync(cluster, after, end.Token).GetAsyncEnumerator(end.Token);

        // The first before the answer begins: what is wrong is said as an error.
        await pages.MoveNextAsync();
        await StreamAnswer.BeginAsync(http, StreamAnswer.Events, cancellationToken);
        var response = http.Response;
        try
        {
            do
            {
                Write(response.BodyWriter, pages.Current);
                await response.BodyWriter.FlushAsync(end.Token);
            }
            while (await pages.MoveNextAsync());
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // We go: the answer ends here, an EventSource comes back to another controller and resumes.
            return TypedResults.Empty;
        }

        return TypedResults.Empty;
    }

    private async Task<EventPage> ReadAsync(ClusterName? cluster, LogPosition position, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await store.ReadEventsAsync(cluster, position, PageSize, cancellationToken);
            }
            catch (StoreUnavailableException)
            {
                await Task.Delay(s_retry, time, cancellationToken);
            }
        }
    }

    private static void Write(IBufferWriter<byte> output, EventPage page)
    {
        if (page.Gap)
        {
            output.Write("event: gap\ndata: {\"message\":\"events before this one are no longer kept\"}\n\n"u8);
        }

        foreach (var happened in page.Events)
        {
            StreamAnswer.WriteEvent(output, happened.Id.ToString(), happened);
        }

        if (page.Events.Length == 0)
        {
            // So that a reader that comes back without having seen an event misses none either.
            output.Write("id: "u8);
            output.Write(Encoding.ASCII.GetBytes(page.Next.ToString()));
            output.Write("\n"u8);
            output.Write(s_keepAlive);
        }
    }
}
