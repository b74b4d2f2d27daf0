using Microsoft.Extensions.Options;
using Plane.Client;

namespace Plane.Samples;

internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        try
        {
            return await RunAsync(args);
        }
        catch (Exception e) when (e is RefusedException or ControllerUnreachableException or SampleFailedException or FormatException or OptionsValidationException
            || CallFailed.IsUnknownOutcome(e))
        {
            await Console.Error.WriteLineAsync($"samples: {e.Message}");
            return 1;
        }
    }

    private static async Task<int> RunAsync(string[] args)
    {
        switch (args)
        {
            case ["http", var controller, var key, .. var command]:
                Console.WriteLine(await ConnectOverHttp.RunAsync(new Uri(controller), key, command));
                return 0;
            case ["cluster", var gateway, var cluster, var key, .. var command]:
                Console.WriteLine(await ConnectAsClusterClient.RunAsync(gateway, cluster, key, command));
                return 0;
            default:
                await Console.Error.WriteLineAsync("""
                    usage: samples http CONTROLLER-URL KEY COMMAND…
                           samples cluster GATEWAY CLUSTER KEY COMMAND…
                    """);
                return 2;
        }
    }
}
