using Plane.Testing;

namespace Plane.Tests.EndToEnd;

/// <summary>Programs that must not start, or not continue: each says why and exits with its code.</summary>
[Collection(InstallationTests.Name)]
public sealed partial class StartTests(Installation plane)
{
    [Fact]
    public async Task A_second_agent_on_one_state_file_is_refused_and_told_who_holds_it()
    {
        using var directory = new TempDirectory();
        string[] drone =
        [
            "drone", "--gateway", plane.Gateway, "--cluster", plane.Cluster, "--runtime", "process", "--pool", "twins",
            "--state", directory["drone.db"], "--run-dir", directory["run"],
        ];
        var first = await plane.StartAsync("first", drone);
        await first.WaitForLineAsync("^ready drone ");
        var second = await plane.StartAsync("second", drone);
        Assert.NotEqual(0, await second.WaitForExitAsync());
        Assert.Contains(second.Lines, l => l.Contains($"{first.Pid}", StringComparison.Ordinal));
        Assert.Equal(0, await first.StopAsync());
    }

    [Theory]
    [InlineData("--port", "controller", "--db", "sqlite:x.db", "--port", "99999")]
    [InlineData("--db", "controller", "--db", "mysql://x")]
    [InlineData("--gateway", "controller", "--db", "sqlite:x.db", "--gateway-host", "0.0.0.0")]
    [InlineData("soft", "controller", "--db", "sqlite:x.db", "--lease-numbers-soft", "1s")]
    [InlineData("cluster", "drone")]
    [InlineData("cluster", "proxy", "--cluster", "a b")]
    [InlineData("--zone", "dns")]
    [InlineData("gateway", "proxy", "--cluster", "localhost:1", "--gateway", "http://x/")]
    [InlineData("runtime", "drone", "--cluster", "localhost:1", "--runtime", "vm")]
    [InlineData("--port-range", "drone", "--cluster", "localhost:1", "--port-range", "9")]
    public async Task A_bad_value_names_itself_and_exits_with_2(string mentions, params string[] arguments)
    {
        var program = await plane.StartAsync(arguments[0], arguments);
        Assert.True(await program.WaitForExitAsync() == 2, program.Transcript());
        Assert.Contains(program.Lines, l => l.Contains(mentions, StringComparison.Ordinal));
        Assert.DoesNotContain(program.Lines, l => l.Contains("   at ", StringComparison.Ordinal));
    }
}
