using Plane.Testing;

namespace Plane.Tests.EndToEnd;

/// <summary>The samples that the README shows, as programs of their own.</summary>
[Collection(InstallationTests.Name)]
public sealed class SampleTests(Installation plane)
{
    [Theory]
    [InlineData("http")]
    [InlineData("cluster")]
    public async Task A_sample_application_gets_a_url_that_works(string way)
    {
        string[] arguments = way == "http"
            ? ["http", plane.Controller.AbsoluteUri]
            : ["cluster", plane.Gateway, plane.Cluster];
        var pool = await plane.StartDroneAsync($"dr-sample-{way}", "", "process");
        await pool.WaitForLineAsync("^ready drone ");
        var (code, lines) = await RunningProgram.RunAsync(
            Checkout.Dotnet, [Checkout.Samples, .. arguments, $"sample-{way}", .. DockerImages.BackendCommand()]);
        Assert.True(code == 0, string.Join('\n', lines));
        Assert.StartsWith("testbackend ", await plane.Http.GetStringAsync(new Uri(lines[^1])), StringComparison.Ordinal);
        await pool.StopAsync();
        await pool.DisposeAsync();
    }

    [Theory]
    [InlineData("http", true, "key.name")]
    [InlineData("http", false, "refused")]
    [InlineData("cluster", true, "key.name")]
    [InlineData("cluster", false, "gateway")]
    public async Task A_sample_that_is_refused_or_finds_no_controller_says_so_in_one_line(string way, bool isThere, string mentions)
    {
        var nowhere = $"127.0.0.1:{FreePort.Next()}";
        string[] arguments = way == "http"
            ? ["http", isThere ? plane.Controller.AbsoluteUri : $"http://{nowhere}/"]
            : ["cluster", isThere ? plane.Gateway : nowhere, plane.Cluster];
        var key = isThere ? "" : "room";
        var (code, lines) = await RunningProgram.RunAsync(Checkout.Dotnet, [Checkout.Samples, .. arguments, key, .. DockerImages.BackendCommand()]);
        Assert.Equal(1, code);
        var line = Assert.Single(lines);
        Assert.StartsWith("samples: ", line, StringComparison.Ordinal);
        Assert.Contains(mentions, line, StringComparison.Ordinal);
    }
}
