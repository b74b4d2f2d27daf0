using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace Plane.Samples;

/// <summary>An application that uses Plane over HTTP. It needs nothing of Plane's but the controller's address.</summary>
internal static class ConnectOverHttp
{
    private const int Attempts = 5;

    public static async Task<string> RunAsync(Uri controller, string key, string[] command)
    {
        using var http = new HttpClient();
        var request = new JsonObject
        {
            // Sent again with the same id, it is the same request: an answer that was lost on its way is given again, with the same token.
            ["request_id"] = Guid.NewGuid().ToString(),
            ["key"] = new JsonObject { ["name"] = key },
            ["user"] = "ada",
            ["spawn_config"] = new JsonObject
            {
                ["executable"] = new JsonObject { ["command"] = new JsonArray([.. command.Select(c => (JsonNode)c)]) },
                ["max_idle_seconds"] = 60,
            },
        };
        for (var attempt = 1; ; attempt++)
        {
            var pause = TimeSpan.FromSeconds(1);
            try
            {
                using var response = await http.PostAsJsonAsync(new Uri(controller, "/ctrl/connect"), request);
                var answer = (await response.Content.ReadFromJsonAsync<JsonObject>())!;
                if (response.IsSuccessStatusCode)
                {
                    return (string)answer["url"]!;
                }

                if (response.StatusCode != HttpStatusCode.ServiceUnavailable || attempt == Attempts)
                {
                    throw new RefusedException($"{answer["kind"]}: {answer["message"]}");
                }

                pause = response.Headers.RetryAfter?.Delta ?? pause;
            }
            catch (HttpRequestException) when (attempt < Attempts)
            {
                // No answer, or half of one: it may have been carried out.
                pause *= attempt;
            }

            await Task.Delay(pause);
        }
    }
}
