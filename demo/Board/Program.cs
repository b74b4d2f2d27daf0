using System.Globalization;

namespace Plane.Demo.Board;

internal static class Program
{
    private static async Task<int> Main()
    {
        var options = BoardOptions.FromEnvironment(out var mistake);
        if (options is null)
        {
            await Console.Error.WriteLineAsync($"board: {mistake}");
            return 2;
        }

        await using var app = BoardApp.Build(options, TimeProvider.System);
        await app.StartAsync();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"ready board {app.Urls.First()}"));
        await app.WaitForShutdownAsync();
        return 0;
    }
}
