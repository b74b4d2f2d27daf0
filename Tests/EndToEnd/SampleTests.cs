using Plane.Tests.Support;

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
}
