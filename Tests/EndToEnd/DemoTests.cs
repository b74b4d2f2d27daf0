using System.Globalization;
using Plane.Tests.Demo;
using Plane.Testing;
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
        var url = (await demo.WaitForLineAsync(@"^\s+(http://demo-board--board\.localhost:\d+/)\s*$", TimeSpan.FromMinutes(1))).Groups[1].Value;

        await using (var ada = await BoardPage.OpenAsync(url, "Ada"))
        await using (var grace = await BoardPage.OpenAsync(url, "Grace"))
        {
            await ada.PeopleAsync("Ada", "Grace");
            await ada.PenAsync("Blue");
            await ada.DrawAsync(Arc(.5, .5, .3, 0, 2 * Math.PI));
            await ada.DrawAsync(Arc(.5, .5, .18, .15 * Math.PI, .85 * Math.PI));
            await grace.InkAsync(.5, .8);
            await grace.PenAsync("Orange");
            await grace.DrawAsync(Arc(.42, .42, .04, 0, 2 * Math.PI));
            await grace.DrawAsync(Arc(.58, .42, .04, 0, 2 * Math.PI));
            await ada.InkAsync(.42, .46);
            Assert.Equal((backend, "demo-board", token), await ada.SessionAsync());
            await ada.LookAsync($"demo-{runtime}");
        }

        // The address outlives the board.
        await KillAsync(demo, backend);
        await using (var again = await BoardPage.OpenAsync(url, "Ada"))
        {
            var (woken, key, later) = await again.SessionAsync();
            Assert.NotEqual(backend, woken);
            Assert.True(long.Parse(later, CultureInfo.InvariantCulture) > long.Parse(token, CultureInfo.InvariantCulture), $"{later} after {token}");
            Assert.Equal("demo-board", key);
            backend = woken;
        }

        demo.Send(Signal.Interrupt);
        Assert.True(await demo.WaitForExitAsync() == 0, demo.Transcript());
        if (runtime == "docker")
        {
            Assert.Null(await (await DockerEngine.SharedAsync()).InspectAsync($"plane-{backend}"));
        }

        Assert.DoesNotContain(Processes(), p => p.Contains($"SESSION_BACKEND_ID={backend}", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_demo_that_was_to_use_an_engine_that_is_not_there_says_so_and_ends()
    {
        using var directory = new TempDirectory();
        await using var demo = await RunningProgram.StartDotnetAsync(
            Checkout.Cli,
            ["demo", "--data", directory["data"], "--port", "0", "--proxy-port", "0", "--runtime", "docker", "--docker-host", "unix://" + directory["none"]],
            output,
            name: "demo");
        Assert.NotEqual(0, await demo.WaitForExitAsync());
        Assert.Contains("--runtime process", demo.Transcript(), StringComparison.Ordinal);
    }

    /// <summary>Kills a backend through the API, and waits until it has ended.</summary>
    private static async Task KillAsync(RunningProgram demo, string backend)
    {
        var controller = (await demo.WaitForLineAsync(@"ready controller url=(\S+)")).Groups[1].Value;
        using var http = new HttpClient { BaseAddress = new Uri(controller) };
        (await http.PostAsync(new Uri($"/ctrl/b/{backend}/hard-terminate", UriKind.Relative), null)).EnsureSuccessStatusCode();
        await Eventually.SeenAsync(
            async token => await http.GetStringAsync(new Uri($"/pub/b/{backend}/status", UriKind.Relative), token),
            status => status.Contains("\"terminated\"", StringComparison.Ordinal),
            "the board has ended");
    }

    /// <summary>A part of a circle, in parts of the board's height and, drawn round, of its width. In few steps: the browser draws a frame for each.</summary>
    private static (double X, double Y)[] Arc(double x, double y, double radius, double from, double to) =>
        [.. Enumerable.Range(0, 13).Select(i => from + ((to - from) * i / 12)).Select(a => (x + (radius * Math.Cos(a) * 2 / 3), y + (radius * Math.Sin(a))))];

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
