using System.Globalization;
using System.Net.Http.Headers;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Plane.Client;

// Answers that continue: taken up again where they broke, at this controller or another behind the same address.
public sealed partial class ControllerClient
{
    private const string EventStream = "text/event-stream";
    private const string JsonLines = "application/x-ndjson";

    /// <summary>The clusters that there are.</summary>
    public async Task<ClusterName[]> ClustersAsync(CancellationToken cancellationToken) =>
        (await SendAsync<JsonElement>(HttpMethod.Get, "ctrl/clusters", null, cancellationToken).ConfigureAwait(false)).GetProperty("clusters").Deserialize<ClusterName[]>(PlaneJson.Http) ?? [];

    /// <summary>The busiest backends of a cluster.</summary>
    public async Task<BusyBackend[]> BusiestAsync(ClusterName cluster, CancellationToken cancellationToken) =>
        (await SendAsync<JsonElement>(HttpMethod.Get, $"ctrl/c/{cluster}/busiest?limit=15", null, cancellationToken).ConfigureAwait(false)).GetProperty("backends").Deserialize<BusyBackend[]>(PlaneJson.Http) ?? [];

    /// <summary>A page of events.</summary>
    public Task<EventPage> EventsAsync(string query, CancellationToken cancellationToken) => SendAsync<EventPage>(HttpMethod.Get, "ctrl/events" + query, null, cancellationToken);

    /// <summary>
    /// Every step of a backend's life until it has ended. What breaks is taken up again behind the last step, for as long as that takes, so that nothing is seen twice or missed.
    /// </summary>
    public async IAsyncEnumerable<StatusEntry> FollowAsync(BackendName backend, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var following = new Following();
        string? last = null;
        while (true)
        {
            using (var response = await OpenAsync($"pub/b/{backend}/status-stream", EventStream, last, following, cancellationToken).ConfigureAwait(false))
            {
                if (response is not null)
                {
                    var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
                    await using var events = SseParser.Create(stream).EnumerateAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
                    while (await MoveNextAsync(events).ConfigureAwait(false))
                    {
                        var entry = JsonSerializer.Deserialize<StatusEntry>(events.Current.Data, PlaneJson.Http) ?? throw NotPlanes();
                        last = entry.Status.WireName();
                        following.Progressed();
                        yield return entry;
                        if (entry.Status == BackendStatus.Terminated)
                        {
                            yield break;
                        }
                    }
                }
            }

            await following.PauseAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Lines of a backend's output. With <paramref name="follow"/> until it has ended; what breaks is taken up again after the last line, for as long as that takes.</summary>
    public async IAsyncEnumerable<LogItem> LogsAsync(BackendName backend, string query, bool follow, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var following = follow ? new Following() : null;
        long? last = null;
        while (true)
        {
            // Until a line has come, the beginning is asked for again.
            var asked = last is null ? $"?{query}&follow={(follow ? "true" : "false")}"
                : string.Create(CultureInfo.InvariantCulture, $"?follow=true&after={last}{(query.Contains("stream=", StringComparison.Ordinal) ? "&" + query.Split('&').First(p => p.StartsWith("stream=", StringComparison.Ordinal)) : "")}");
            using (var response = await OpenAsync($"ctrl/b/{backend}/logs{asked}", JsonLines, null, following, cancellationToken).ConfigureAwait(false))
            {
                if (response is not null)
                {
                    using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false));
                    var (text, isBroken) = await ReadLineAsync(reader, cancellationToken).ConfigureAwait(false);
                    while (text is not null)
                    {
                        var item = ItemOf(text);
                        last = item.Line?.Position ?? last;
                        following?.Progressed();
                        yield return item;
                        (text, isBroken) = await ReadLineAsync(reader, cancellationToken).ConfigureAwait(false);
                    }

                    if (!isBroken)
                    {
                        yield break;
                    }
                }
            }

            await (following ?? throw new ControllerUnreachableException("the answer broke off")).PauseAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Events as they happen, after one, without end. What breaks is taken up again after the last event, for as long as that takes.</summary>
    public async IAsyncEnumerable<ClusterEvent> FollowEventsAsync(ClusterName? cluster, ClusterEventId after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var following = new Following();

        // The event to begin after came from it.
        following.Answered();
        var last = after.ToString();
        while (true)
        {
            using (var response = await OpenAsync(
                $"ctrl/events?after={last}{(cluster is { } named ? $"&cluster={named}" : "")}", EventStream, null, following, cancellationToken).ConfigureAwait(false))
            {
                if (response is not null)
                {
                    var parser = SseParser.Create(await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false));
                    await using var events = parser.EnumerateAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
                    while (await MoveNextAsync(events).ConfigureAwait(false))
                    {
                        following.Progressed();
                        if (events.Current.EventType == "message" && JsonSerializer.Deserialize<ClusterEvent>(events.Current.Data, PlaneJson.Http) is { } happened)
                        {
                            last = happened.Id.ToString();
                            yield return happened;
                        }
                    }

                    last = parser.LastEventId is { Length: > 0 } seen ? seen : last;
                }
            }

            await following.PauseAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Asks for an answer that continues; null where it is to be asked for again.</summary>
    private async Task<HttpResponseMessage?> OpenAsync(string path, string mediaType, string? lastEventId, Following? following, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(mediaType));
        if (lastEventId is not null)
        {
            request.Headers.Add("Last-Event-ID", lastEventId);
        }

        try
        {
            var response = await SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
            if (response.Content.Headers.ContentType?.MediaType != mediaType)
            {
                response.Dispose();
                throw NotPlanes();
            }

            following?.Answered();
            return response;
        }
        catch (Exception e) when (following?.GoesOnAfter(e) == true)
        {
            return null;
        }
    }

    private static async ValueTask<bool> MoveNextAsync(IAsyncEnumerator<SseItem<string>> events)
    {
        try
        {
            return await events.MoveNextAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            return false;
        }
    }

    private static async ValueTask<(string? Text, bool IsBroken)> ReadLineAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        try
        {
            return (await reader.ReadLineAsync(cancellationToken).ConfigureAwait(false), false);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            return (null, true);
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
