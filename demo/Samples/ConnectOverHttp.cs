using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace Plane.Samples;

/// <summary>An application that uses Plane over HTTP. It needs nothing of Plane's but the controller's address.</summary>
internal static class ConnectOverHttp
{
    public static async Task<string> RunAsync(Uri controller, string key, string[] command)
    {
        using var http = new HttpClient();
        using var response = await http.PostAsJsonAsync(new Uri(controller, "/ctrl/connect"), new JsonObject
        {
            ["key"] = new JsonObject { ["name"] = key },
            ["user"] = "ada",
            ["spawn_config"] = new JsonObject
            {
                ["executable"] = new JsonObject { ["command"] = new JsonArray([.. command.Select(c => (JsonNode)c)]) },
                ["max_idle_seconds"] = 60,
            },
        });
        var answer = (await response.Content.ReadFromJsonAsync<JsonObject>())!;
        return response.IsSuccessStatusCode
            ? (string)answer["url"]!
            : throw new InvalidOperationException($"{answer["kind"]}: {answer["message"]}");
    }
}
