using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Plane.Hosting;
using Plane.Testing;

namespace Plane.Tests.Cli;

/// <summary>An operator's command that is interrupted, on a terminal of its own (script(1)).</summary>
public sealed class InterruptionTests
{
    [Theory]
    [InlineData(Signal.Interrupt, 130)]
    [InlineData(Signal.Terminate, 143)]
    public async Task An_interrupted_command_shows_the_cursor_again_and_exits_as_shells_expect(Signal signal, int expected)
    {
        var builder = PlaneHost.CreateWebBuilder("fake-controller");
        builder.UsePlaneListener("127.0.0.1", 0);
        await using var app = builder.Build();
        app.MapGet("/ctrl/clusters", () => TypedResults.Text("""{"clusters":[]}""", "application/json"));
        await app.StartAsync();

        var command = $"exec '{Checkout.Dotnet}' '{Checkout.Cli}' top --controller {app.BoundAddress()}";
        await using var terminal = await RunningProgram.StartAsync(
            "script", ["-qec", command, "/dev/null"], environment: new Dictionary<string, string?> { ["TERM"] = "xterm", ["SHELL"] = "/bin/sh" });
        await terminal.WaitForLineAsync("no drone and no proxy has registered");
        var children = await File.ReadAllTextAsync($"/proc/{terminal.Pid}/task/{terminal.Pid}/children");
        Assert.True(Signals.Send(int.Parse(children.Trim(), System.Globalization.CultureInfo.InvariantCulture), signal));

        Assert.Equal(expected, await terminal.WaitForExitAsync());
        Assert.Contains("\e[?25h", string.Concat(terminal.Lines), StringComparison.Ordinal);
    }
}
