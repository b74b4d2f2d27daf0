using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;

namespace Plane.Tests.Silo;

/// <summary>An answer, read to its end.</summary>
public sealed record Answer(HttpStatusCode Status, string Text, HttpResponseHeaders Headers, HttpContentHeaders ContentHeaders)
{
    public JsonNode? Json => JsonNode.Parse(Text);

    public string Kind => Json?["kind"]?.GetValue<string>() ?? "(no kind)";

    public string Message => Json?["message"]?.GetValue<string>() ?? "(no message)";

    public static async Task<Answer> ReadAsync(HttpResponseMessage response) =>
        new(response.StatusCode, await response.Content.ReadAsStringAsync(), response.Headers, response.Content.Headers);

    public Answer Expect(HttpStatusCode status)
    {
        Assert.True(Status == status, $"expected {status}, was {Status}: {Text}");
        return this;
    }

    /// <summary>An error in the API's model: status, kind, an id, a message, JSON, and nothing of our insides.</summary>
    public Answer ExpectError(HttpStatusCode status, string kind)
    {
        Expect(status);
        Assert.Equal("application/json", ContentHeaders.ContentType?.MediaType);
        var error = Assert.IsType<JsonObject>(Json);
        Assert.Equal(["id", "kind", "message"], error.Select(p => p.Key));
        Assert.Equal(kind, Kind);
        Assert.Matches("^[a-z0-9]{14}$", error["id"]!.GetValue<string>());
        Assert.NotEmpty(Message);
        foreach (var inside in (ReadOnlySpan<string>)["System.", "Plane.", "Orleans", "   at ", "Exception", "Sqlite", "LineNumber", "`"])
        {
            Assert.DoesNotContain(inside, Text, StringComparison.Ordinal);
        }

        return this;
    }
}
