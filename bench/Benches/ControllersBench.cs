using Plane.Bench.Load;
using Plane.Bench.Roles;
using Plane.Testing;

namespace Plane.Bench.Benches;

/// <summary>
/// Connects through two controllers on this machine against one, each installation with a PostgreSQL of its own and as many clients. The same cores do the same work, so what
/// is asked is what a second controller costs: calls between the two, and twice the background.
/// </summary>
internal sealed class ControllersBench : IBench
{
    private const int Clients = 64;
    private const int Drones = 8;
    private const int HeldKeys = 200;

    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(20);

    public string Name => "controllers";

    public async Task RunAsync(BenchContext context, Report report)
    {
        await using var one = await StartAsync(1);
        await using var two = await StartAsync(2);
        using var directory = new TempDirectory();
        var run = 0;
        async Task<double> MeasureAsync(Installation installation, string key)
        {
            var loads = installation.Urls.Select(async url =>
            {
                var mine = Interlocked.Increment(ref run);
                var script = directory[$"connect-{mine}.lua"];
                await File.WriteAllTextAsync(
                    script,
                    $$"""
                    local n = 0
                    wrk.headers["Content-Type"] = "application/json"
                    request = function()
                        n = n + 1
                        return wrk.format("POST", nil, nil, '{"key":{"name":"' .. {{key.Replace("RUN", $"{mine}", StringComparison.Ordinal)}} .. '"},"spawn_config":{"executable":{"image":"simulated"} } }')
                    end
                    """);
                return (await Wrk.RunAsync(new Uri(url, "ctrl/connect"), Clients / installation.Urls.Count, context.Round, script)).RequestsPerSecond;
            });
            return (await Task.WhenAll(loads)).Sum();
        }

        foreach (var (what, key) in ((string, string)[])[("keys held", $"'held-' .. (n % {HeldKeys})"), ("new keys", "'new-RUN-' .. n")])
        {
            // Each of two gets half of the requests, and is compiled for them half as fast: not what is asked here.
            for (var round = 0; round * context.Round < s_warmUp; round++)
            {
                await MeasureAsync(two, key);
                await MeasureAsync(one, key);
            }

            var (ofTwo, ofOne) = (new RequestCpu(two), new RequestCpu(one));
            var measured = await context.InTurnsAsync(
                new Side("two", () => ofTwo.RoundAsync(context.Round, () => MeasureAsync(two, key))),
                new Side("one", () => ofOne.RoundAsync(context.Round, () => MeasureAsync(one, key))));
            report.Ratio($"connect, {what}, 64 clients, two controllers against one", "requests/s", measured[0], measured[1], 1.0);
            report.Value($"connect, {what}, CPU a request", $"{ofTwo}", $"one: {ofOne}", ofTwo.Sum / ofOne.Sum, "of one");

            // Batches of two are smaller, so PostgreSQL has more statements for as many connects. Without the time that those take of all cores:
            var more = (ofTwo.Postgres - ofOne.Postgres) / Environment.ProcessorCount;
            var without = 1_000_000 / ((1_000_000 / measured[0].Median) - more);
            report.Value(
                $"connect, {what}, two controllers against one, less what PostgreSQL takes more", $"{Report.Number(without)} requests/s", $"{measured[1]} requests/s",
                without / measured[1].Median, "of one", 1.0, atLeast: true);
        }
    }

    private static async Task<Installation> StartAsync(int controllers)
    {
        var installation = await Installation.StartAsync(controllers);
        for (var i = 0; i < Drones; i++)
        {
            await installation.AddDroneAsync("127.0.0.1:1");
        }

        await Task.WhenAll(Enumerable.Range(0, HeldKeys).Select(i => installation.ConnectAsync($"held-{i}", ready: false)));
        return installation;
    }
}
