using System.Globalization;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Plane.Client;

// Answers that continue: taken up again where they broke, at this controller or another behind the same address.
public sealed partial class ControllerClient
{
    // About two minutes, in which a controller is restarted or another takes over.
    private const int MostBreaks = 70;

    /// <summary>The clusters that there are.</summary>
    public async Task<ClusterName[]> ClustersAsync(CancellationToken cancellationToken) =>
        (await SendAsync<JsonElement>(HttpMethod.Get, "ctrl/clusters", null, cancellationToken).ConfigureAwait(false)).GetProperty("clusters").Deserialize<ClusterName[]>(PlaneJson.Http) ?? [];

    /// <summary>The busiest backends of a cluster.</summary>
    public async Task<BusyBackend[]> BusiestAsync(ClusterName cluster, CancellationToken cancellationToken) =>
        (await SendAsync<JsonElement>(HttpMethod.Get, $"ctrl/c/{cluster}/busiest?limit=15", null, cancellationToken).ConfigureAwait(false)).GetProperty("backends").Deserialize<BusyBackend[]>(PlaneJson.Http) ?? [];

    /// <summary>A page of events.</summary>
    public Task<EventPage> EventsAsync(string query, CancellationToken cancellationToken) => SendAsync<EventPage>(HttpMethod.Get, "ctrl/events" + query, null, cancellationToken);

    /// <summary>Lines of a backend's output. With <paramref name="follow"/> until it has ended; what breaks is taken up again after the last line.</summary>
    public async IAsyncEnumerable<LogItem> LogsAsync(BackendName backend, string query, bool follow, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long? last = null;
        for (var failures = 0; ;)
        {
            // Until a line has come, the beginning is asked for again.
            var asked = last is null ? $"?{query}&follow={(follow ? "true" : "false")}"
                : string.Create(CultureInfo.InvariantCulture, $"?follow=true&after={last}{(query.Contains("stream=", StringComparison.Ordinal) ? "&" + query.Split('&').First(p => p.StartsWith("stream=", StringComparison.Ordinal)) : "")}");
            var isWhole = false;
            await foreach (var item in ReadLogsAsync(backend, asked, isFirst: last is null && failures == 0, () => isWhole = true, cancellationToken).ConfigureAwait(false))
            {
                last = item.Line?.Position ?? last;
                failures = 0;
                yield return item;
            }

            if (isWhole)
            {
                yield break;
            }

            if (!follow || ++failures > MostBreaks)
            {
                throw new ControllerUnreachableException("the answer broke off, and could not be taken up again");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(2_000, 100 * failures)), TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Events as they happen, after one, without end.</summary>
    public async IAsyncEnumerable<ClusterEvent> FollowEventsAsync(ClusterName? cluster, ClusterEventId after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var last = after.ToString();
        for (var failures = 0; ;)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"ctrl/events?after={last}{(cluster is { } named ? $"&cluster={named}" : "")}");
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
            HttpResponseMessage? response = null;
            try
            {
                response = await SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
            }
            catch (ControllerUnreachableException) when (failures < MostBreaks)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(2_000, 100 * ++failures)), TimeProvider.System, cancellationToken).ConfigureAwait(false);
                continue;
            }

            using (response)
            {
                var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
                var parser = SseParser.Create(stream);
                await using var events = parser.EnumerateAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
                while (await MoveNextAsync(events).ConfigureAwait(false))
                {
                    failures = 0;
                    if (events.Current.EventType == "message" && JsonSerializer.Deserialize<ClusterEvent>(events.Current.Data, PlaneJson.Http) is { } happened)
                    {
                        last = happened.Id.ToString();
                        yield return happened;
                    }
                }

                last = parser.LastEventId is { Length: > 0 } seen ? seen : last;
            }

            // A controller that stops ends the stream. One that ends each at once must not be asked in a tight loop.
            failures = 0;
            await Task.Delay(TimeSpan.FromMilliseconds(250), TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
    }

    private async IAsyncEnumerable<LogItem> ReadLogsAsync(
        BackendName backend, string query, bool isFirst, Action isWhole, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, $"ctrl/b/{backend}/logs{query}");
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/x-ndjson"));
        HttpResponseMessage response;
        try
        {
            response = await SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (!isFirst && e is ControllerUnreachableException or RefusedException { Error.Kind: ErrorKind.Other or ErrorKind.DatabaseError })
        {
            yield break;
        }

        using (response)
        {
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false));
            while (true)
            {
                string? text;
                try
                {
                    text = await reader.ReadLineAsync(cancellationToken).ConfigureAwait(false);
                }
                catch (Exception e) when (e is IOException or HttpRequestException)
                {
                    yield break;
                }

                if (text is null)
                {
                    isWhole();
                    yield break;
                }

                yield return ItemOf(text);
            }
        }
    }

    private static LogItem ItemOf(string text)
    {
        using var json = JsonDocument.Parse(text);
        return json.RootElement.TryGetProperty("problem", out var problem)
            ? new LogItem(null, problem.GetString())
            : new LogItem(json.RootElement.Deserialize<OutputLine>(PlaneJson.Http), null);
    }
}
