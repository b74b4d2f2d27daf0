using System.Text;
using Plane.Testing;

namespace Plane.Tests.Silo;

/// <summary>Reads server-sent events as a browser does.</summary>
internal sealed class EventStream : IAsyncDisposable
{
    private readonly HttpResponseMessage _response;
    private readonly StreamReader _reader;

    private EventStream(HttpResponseMessage response, Stream body)
    {
        _response = response;
        _reader = new StreamReader(body, Encoding.UTF8);
    }

    public sealed record Event(string? Id, string Data);

    public string? ContentType => _response.Content.Headers.ContentType?.MediaType;

    public static async Task<EventStream> OpenAsync(HttpClient http, string path, string? lastEventId = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (lastEventId is not null)
        {
            request.Headers.Add("Last-Event-ID", lastEventId);
        }

        var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.EnsureSuccessStatusCode();
        return new EventStream(response, await response.Content.ReadAsStreamAsync());
    }

    /// <summary>The next event, comments passed over; null at the stream's end.</summary>
    public async Task<Event?> NextAsync()
    {
        string? id = null;
        var data = new List<string>();
        while (await LineAsync() is { } line)
        {
            if (line.StartsWith("id: ", StringComparison.Ordinal))
            {
                id = line[4..];
            }
            else if (line.StartsWith("data: ", StringComparison.Ordinal))
            {
                data.Add(line[6..]);
            }
            else if (line.Length == 0 && data.Count > 0)
            {
                return new Event(id, string.Join('\n', data));
            }
        }

        return null;
    }

    public async Task<string?> NextCommentAsync()
    {
        string? line;
        do
        {
            line = await LineAsync();
        }
        while (line is not null && !line.StartsWith(':'));

        return line;
    }

    public ValueTask DisposeAsync()
    {
        _reader.Dispose();
        _response.Dispose();
        return ValueTask.CompletedTask;
    }

    private Task<string?> LineAsync() => Eventually.EndsAsync(_reader.ReadLineAsync(), "the stream's next line");
}
