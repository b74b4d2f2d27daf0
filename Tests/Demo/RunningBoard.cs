using Plane.Testing;
using Xunit.Abstractions;

namespace Plane.Tests.Demo;

/// <summary>The demo's board as a process of its own, with the environment that a drone gives it.</summary>
public sealed class RunningBoard : IAsyncDisposable
{
    private RunningBoard(RunningProgram program, int port)
    {
        Program = program;
        Port = port;
    }

    public RunningProgram Program { get; }

    public int Port { get; }

    public string Url => $"http://127.0.0.1:{Port}/";

    public static async Task<RunningBoard> StartAsync(ITestOutputHelper output, int? port = null, Dictionary<string, string?>? environment = null)
    {
        var all = new Dictionary<string, string?>
        {
            ["PORT"] = $"{port ?? 0}",
            ["SESSION_BACKEND_ID"] = "k3v9x0q2m7ab4d",
            ["SESSION_BACKEND_KEY"] = "design-review",
            ["SESSION_BACKEND_FENCING_TOKEN"] = "1763824401223",
        };
        foreach (var (name, value) in environment ?? [])
        {
            all[name] = value;
        }

        var program = await RunningProgram.StartDotnetAsync(Checkout.Board, [], output, all);
        try
        {
            var ready = await program.WaitForLineAsync(@"^ready board http://127\.0\.0\.1:(\d+)");
            return new RunningBoard(program, int.Parse(ready.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture));
        }
        catch
        {
            await program.DisposeAsync();
            throw;
        }
    }

    public ValueTask DisposeAsync() => Program.DisposeAsync();
}
