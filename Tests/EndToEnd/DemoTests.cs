using Plane.Tests.Demo;
using Plane.Tests.Support;
using Xunit.Abstractions;

namespace Plane.Tests.EndToEnd;

/// <summary>The README's first command, in a real browser.</summary>
public sealed class DemoTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("docker")]
    [InlineData("process")]
    public async Task Two_browsers_draw_on_the_demos_board_and_ctrl_c_leaves_nothing(string runtime)
    {
        using var directory = new TempDirectory();
        await using var demo = await RunningProgram.StartDotnetAsync(
            Checkout.Cli,
            ["demo", "--data", directory["data"], "--port", "0", "--proxy-port", "0", "--runtime", runtime],
            output,
            new Dictionary<string, string?> { ["PLANE_HOME"] = Checkout.Root },
            name: "demo");
        var connected = await demo.WaitForLineAsync(@"backend ([a-z0-9-]+), fencing token (\d+)", TimeSpan.FromMinutes(2));
        var (backend, token) = (connected.Groups[1].Value, connected.Groups[2].Value);
        var url = (await demo.WaitForLineAsync(@"^\s+(http://localhost:\d+/\S+/)\s*$", TimeSpan.FromMinutes(1))).Groups[1].Value;

        await using (var ada = await BoardPage.OpenAsync(url, "Ada"))
        await using (var grace = await BoardPage.OpenAsync(url, "Grace"))
        {
            await ada.PeopleAsync("Ada", "Grace");
            await ada.DrawAsync((.2, .3), (.5, .3), (.8, .3));
            await grace.InkAsync(.5, .3);
            await grace.DrawAsync((.2, .7), (.5, .7), (.8, .7));
            await ada.InkAsync(.5, .7);
            Assert.Equal((backend, "demo-board", token), await ada.SessionAsync());
            await ada.LookAsync($"demo-{runtime}");
        }

        demo.Send(Signal.Interrupt);
        Assert.True(await demo.WaitForExitAsync() == 0, demo.Transcript());
        if (runtime == "docker")
        {
            Assert.False(await (await DockerEngine.SharedAsync()).IsRunningAsync($"plane-{backend}"));
        }

        Assert.DoesNotContain(Processes(), p => p.Contains($"SESSION_BACKEND_ID={backend}", StringComparison.Ordinal));
    }

    /// <summary>The environments of all processes of this machine that may be read.</summary>
    private static IEnumerable<string> Processes()
    {
        foreach (var directory in Directory.EnumerateDirectories("/proc").Where(d => char.IsAsciiDigit(Path.GetFileName(d)[0])))
        {
            string environment;
            try
            {
                environment = File.ReadAllText(Path.Combine(directory, "environ"));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                continue;
            }

            yield return environment;
        }
    }
}
