using Plane.Client;

namespace Plane.Samples;

/// <summary>An application that uses Plane over HTTP. It needs the controller's address and nothing else.</summary>
internal static class ConnectOverHttp
{
    private const int Attempts = 5;

    public static async Task<string> RunAsync(Uri controller, string key, string[] command)
    {
        using var client = new ControllerClient(controller, token: null);
        var request = new ConnectRequest
        {
            // Sent again with the same id, it is the same request: an answer that was lost on its way is given again, with the same token.
            RequestId = Guid.NewGuid().ToString(),
            Key = new KeyConfig { Name = key },
            User = "ada",
            SpawnConfig = new SpawnConfig { Executable = new Executable { Command = command }, MaxIdleSeconds = 60 },
        };
        for (var attempt = 1; ; attempt++)
        {
            TimeSpan pause;
            try
            {
                return (await client.ConnectAsync(request, CancellationToken.None)).Url;
            }
            catch (RefusedException e) when (e.RetryAfter is not null && attempt < Attempts)
            {
                pause = e.RetryAfter.Value;
            }
            catch (ControllerUnreachableException) when (attempt < Attempts)
            {
                // No answer, or half of one: it may have been carried out.
                pause = TimeSpan.FromSeconds(attempt);
            }

            await Task.Delay(pause);
        }
    }
}
