using Plane.Hosting;
using Plane.Testing;

namespace Plane.Tests.EndToEnd;

/// <summary>What an operator reads in the log of programs that do nothing but start, wait and stop.</summary>
public sealed class LogTests
{
    [Fact]
    public async Task A_clean_start_and_stop_warns_of_nothing()
    {
        using var directory = new TempDirectory();
        await using var up = await StartAsync(directory, "up", "--data", directory["data"], "--port", "0", "--proxy-port", "0", "--runtime", "process");
        foreach (var role in (string[])["controller", "proxy", "drone"])
        {
            await up.WaitForLineAsync($"^ready {role} ");
        }

        Assert.Equal(ExitCodes.Done, await up.StopAsync());
        Assert.Empty(Warnings(up));
    }

    [Fact]
    public async Task Programs_that_start_after_their_controller_and_stop_before_it_warn_of_nothing()
    {
        using var directory = new TempDirectory();
        var proxyPort = FreePort.Next();
        var cluster = $"localhost:{proxyPort}";
        await using var controller = await StartAsync(
            directory, "controller", "--db", $"sqlite:{directory["plane.db"]}", "--port", "0", "--gateway-port", "0", "--silo-port", "0", "--default-cluster", cluster);
        var gateway = (await controller.WaitForLineAsync(@"^ready controller .*gateway=(\S+)")).Groups[1].Value;
        await using var drone = await StartAsync(
            directory, "drone", "--gateway", gateway, "--cluster", cluster, "--runtime", "process", "--state", directory["drone.db"], "--run-dir", directory["run"]);
        await using var proxy = await StartAsync(directory, "proxy", "--gateway", gateway, "--cluster", cluster, "--host", "127.0.0.1", "--port", $"{proxyPort}");
        await drone.WaitForLineAsync("^ready drone ");
        await proxy.WaitForLineAsync("^ready proxy ");
        foreach (var program in (RunningProgram[])[drone, proxy, controller])
        {
            Assert.Equal(ExitCodes.Done, await program.StopAsync());
            Assert.Empty(Warnings(program));
        }
    }

    [Fact]
    public async Task Programs_that_start_before_their_controller_say_so_in_a_line_and_go_on_when_it_comes()
    {
        using var directory = new TempDirectory();
        var gateway = $"127.0.0.1:{FreePort.Next()}";
        var proxyPort = FreePort.Next();
        var cluster = $"localhost:{proxyPort}";
        await using var proxy = await StartAsync(directory, "proxy", "--gateway", gateway, "--cluster", cluster, "--host", "127.0.0.1", "--port", $"{proxyPort}");
        await using var drone = await StartAsync(
            directory, "drone", "--gateway", gateway, "--cluster", cluster, "--runtime", "process", "--state", directory["drone.db"], "--run-dir", directory["run"]);
        await using var dns = await StartAsync(directory, "dns", "--gateway", gateway, "--zone", "acme.example.test", "--host", "127.0.0.1", "--port", $"{FreePort.Next()}");
        await proxy.WaitForLineAsync("^ready proxy ");
        await drone.WaitForLineAsync("No controller answers");

        await using var controller = await StartAsync(
            directory, "controller", "--db", $"sqlite:{directory["plane.db"]}", "--port", "0", "--gateway-port", gateway.Split(':')[1], "--silo-port", "0",
            "--default-cluster", cluster);
        await controller.WaitForLineAsync("^ready controller ");
        await drone.WaitForLineAsync("^ready drone ");
        using var http = new HttpClient();
        await Eventually.SeenAsync(async c => (await http.GetAsync($"http://127.0.0.1:{proxyPort}/ready", c)).IsSuccessStatusCode, isReady => isReady, "the proxy reads the change log");
        foreach (var program in (RunningProgram[])[proxy, drone, dns])
        {
            var code = await program.StopAsync();
            Assert.True(code == ExitCodes.Done, program.Transcript());
            Assert.DoesNotContain(program.Lines, l => l.StartsWith("    ", StringComparison.Ordinal) || l.Contains(" Orleans.", StringComparison.Ordinal));
        }

        Assert.Equal(ExitCodes.Done, await controller.StopAsync());
        Assert.Empty(Warnings(controller));
    }

    private static IEnumerable<string> Warnings(RunningProgram program) =>
        program.Lines.Where(l => l.Contains(" warn ", StringComparison.Ordinal) || l.Contains(" error ", StringComparison.Ordinal) || l.Contains(" fatal ", StringComparison.Ordinal)
            || l.StartsWith("    ", StringComparison.Ordinal));

    private static Task<RunningProgram> StartAsync(TempDirectory directory, params string[] arguments) =>
        RunningProgram.StartDotnetAsync(Checkout.Cli, arguments, name: arguments[0], workingDirectory: directory.Path);
}
