using System.Net;
using Plane.Testing;
using FakeClock = Plane.Chaos.Parts.FakeClock;

namespace Plane.Tests.Cluster;

/// <summary>A controller whose wall clock is stepped while it runs. The clock is that of one process, by libfaketime.</summary>
public sealed class ClockTests : IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false });

    [Theory]
    [InlineData(0, -90)]
    [InlineData(0, 120)]
    [InlineData(120, 0)]
    public async Task Grains_are_activated_after_the_wall_clock_was_set(int startsAt, int becomes)
    {
        var clock = _directory["clock"];
        FakeClock.Set(clock, TimeSpan.FromMinutes(startsAt));
        var environment = new Dictionary<string, string>();
        FakeClock.Add(environment, FakeClock.Find() ?? throw new InvalidOperationException("faketime is not installed"), clock);
        await using var controller = await RunningProgram.StartDotnetAsync(
            Checkout.Cli,
            ["controller", "--db", $"sqlite:{_directory["plane.db"]}", "--port", "0", "--gateway-port", "0", "--silo-port", "0"],
            environment: environment.ToDictionary(e => e.Key, e => (string?)e.Value),
            workingDirectory: _directory.Path);
        var url = new Uri((await controller.WaitForLineAsync(@"^ready controller .*url=(\S+)")).Groups[1].Value);
        Assert.Equal(HttpStatusCode.NotFound, await DescribeAsync(url));

        FakeClock.Set(clock, TimeSpan.FromMinutes(becomes));
        await Eventually.SeenAsync(
            async stop => (await _http.GetAsync(url, stop)).Headers.Date - DateTimeOffset.UtcNow, d => Math.Abs(d!.Value.TotalMinutes - becomes) < 1, "the controller's wall clock is stepped");
        for (var i = 0; i < 20; i++)
        {
            // Each is a new activation.
            Assert.Equal(HttpStatusCode.NotFound, await DescribeAsync(url));
        }

        Assert.Equal(HttpStatusCode.OK, (await _http.GetAsync(new Uri(url, "/pub/health"))).StatusCode);
    }

    public void Dispose()
    {
        _http.Dispose();
        _directory.Dispose();
    }

    private async Task<HttpStatusCode> DescribeAsync(Uri controller)
    {
        using var answer = await _http.GetAsync(new Uri(controller, $"/ctrl/b/{BackendName.NewRandom()}"));
        return answer.StatusCode;
    }
}
