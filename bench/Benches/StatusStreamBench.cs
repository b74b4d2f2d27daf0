using System.Collections.Concurrent;
using Plane.Bench.Roles;

namespace Plane.Bench.Benches;

/// <summary>Five thousand subscribers of five hundred backends; each backend changes once. From the drone's report to each subscriber's line.</summary>
internal sealed class StatusStreamBench : IBench
{
    private const int Backends = 500;
    private const int Each = 10;

    public string Name => "status-streams";

    public async Task RunAsync(BenchContext context, Report report)
    {
        await using var installation = await Installation.StartAsync();
        var drone = await installation.AddDroneAsync("127.0.0.1:1", maxBackends: 10_000);
        var measured = await context.InTurnsAsync(new Side("p99", () => RoundAsync(installation, drone)));
        report.Value("status streams, 5,000 subscribers, p99", $"{measured[0]} ms", "", measured[0].Median, "ms", 250);
    }

    /// <summary>A stream that ends before all are open, or says nothing, is named: the figures would be of fewer.</summary>
    private static async Task OpenedAsync(Task opened, Task<double>[] readers)
    {
        var first = Task.WhenAny(readers);
        if (await Task.WhenAny(opened, first) == first)
        {
            await await first;
            throw new InvalidOperationException("a stream told of a change before there was one");
        }

        await opened;
    }

    private static async Task<double> RoundAsync(Installation installation, SimulatedDrone drone)
    {
        var round = Guid.NewGuid().ToString("N")[..8];
        var identities = await Task.WhenAll(Enumerable.Range(0, Backends).Select(async i =>
        {
            var answer = await installation.ConnectAsync($"{round}-{i}");
            return new BackendIdentity(BackendName.Parse((string)answer["backend_id"]!), new FencingToken((long)answer["key"]!["fencing_token"]!));
        }));
        using var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = int.MaxValue }) { Timeout = Timeout.InfiniteTimeSpan };
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        var changedAt = new ConcurrentDictionary<BackendName, long>();
        var open = new CountdownEvent(Backends * Each);
        var readers = identities.SelectMany(i => Enumerable.Repeat(i, Each)).Select(i => ReadAsync(i.Backend)).ToArray();
        await OpenedAsync(Task.Run(() => open.Wait(limit.Token)), readers);
        foreach (var identity in identities)
        {
            changedAt[identity.Backend] = TimeProvider.System.GetTimestamp();
            await drone.ReportAsync((identity, BackendStatus.Terminating));
        }

        var times = await Task.WhenAll(readers);
        await drone.ReportAsync(Array.ConvertAll(identities, i => (i, BackendStatus.Terminated)));
        return times.Order().ElementAt(times.Length * 99 / 100);

        async Task<double> ReadAsync(BackendName backend)
        {
            using var response = await http.GetAsync(
                new Uri(installation.Url, $"pub/b/{backend}/status-stream"), HttpCompletionOption.ResponseHeadersRead, limit.Token);
            using var lines = new StreamReader(await response.EnsureSuccessStatusCode().Content.ReadAsStreamAsync(limit.Token));
            while (await lines.ReadLineAsync(limit.Token) is { } line)
            {
                if (line.StartsWith("data:", StringComparison.Ordinal) && line.Contains("\"ready\"", StringComparison.Ordinal))
                {
                    open.Signal();
                }
                else if (line.StartsWith("data:", StringComparison.Ordinal) && line.Contains("\"terminating\"", StringComparison.Ordinal))
                {
                    return TimeProvider.System.GetElapsedTime(changedAt[backend]).TotalMilliseconds;
                }
            }

            throw new InvalidOperationException($"the stream of {backend} ended");
        }
    }
}
