using Plane.Bench.Load;
using Plane.Bench.Peers;
using Plane.Bench.Roles;

namespace Plane.Bench.Benches;

/// <summary>Small bodies over kept connections: requests a second.</summary>
internal sealed class ProxySmallBench : IBench
{
    private const int Connections = 64;

    public string Name => "proxy-small";

    public async Task RunAsync(BenchContext context, Report report)
    {
        await using var backend = await Peer.NginxBackendAsync();
        await using var setting = await ProxySetting.StartAsync($"127.0.0.1:{backend.Port}");
        var upstream = $"127.0.0.1:{backend.Port}";
        await using var yarp = await Peer.BareYarpAsync(upstream);
        await using var nginx = await Peer.NginxProxyAsync(upstream);
        await using var haproxy = await Peer.HaproxyAsync(upstream);
        await using var chp = await Peer.ConfigurableHttpProxyAsync(upstream);
        Side Of(string name, Uri url) => new(name, async () => (await Wrk.RunAsync(url, Connections, context.Round)).RequestsPerSecond);
        var measured = await context.InTurnsAsync(
            Of("plane", setting.Url), Of("bare YARP", yarp.Url), Of("nginx", nginx.Url), Of("haproxy", haproxy.Url), Of("configurable-http-proxy", chp.Url));
        double[] goals = [0, 0.95, 0.57, 0.57, 3];
        for (var i = 1; i < measured.Length; i++)
        {
            report.Ratio("proxy, small bodies, 64 connections", "requests/s", measured[0], measured[i], goals[i]);
        }

        await CostAsync(context, setting, yarp, report);
    }

    /// <summary>What one request costs the proxy itself, whatever the load's and the backend's share is.</summary>
    private static async Task CostAsync(BenchContext context, ProxySetting setting, Peer yarp, Report report)
    {
        var (bytes, requests) = (await setting.AllocatedAsync(), 0.0);
        Side Of(string name, Uri url, int pid, bool counted) => new(name, async () =>
        {
            var before = ProcessUse.Cpu(pid);
            var count = (await Wrk.RunAsync(url, Connections, context.Round)).RequestsPerSecond * context.Round.TotalSeconds;
            requests += counted ? count : 0;
            return (ProcessUse.Cpu(pid) - before).TotalMicroseconds / count;
        });
        var measured = await context.InTurnsAsync(Of("plane", setting.Url, setting.Pid, true), Of("bare YARP", yarp.Url, yarp.Program.Pid, false));
        report.Ratio("proxy, CPU of the proxy a request", "µs", measured[0], measured[1], 1.15, atLeast: false);
        report.Value("proxy, allocated a request", "", "", (await setting.AllocatedAsync() - bytes) / requests, "bytes");
    }
}

/// <summary>What the proxy adds to a request when nothing else is to do: one connection, medians of latency.</summary>
internal sealed class ProxyLatencyBench : IBench
{
    public string Name => "proxy-latency";

    public async Task RunAsync(BenchContext context, Report report)
    {
        await using var backend = await Peer.NginxBackendAsync();
        await using var setting = await ProxySetting.StartAsync($"127.0.0.1:{backend.Port}");
        await using var nginx = await Peer.NginxProxyAsync($"127.0.0.1:{backend.Port}");
        var p99 = new Dictionary<string, List<double>>();
        Side Of(string name, Uri url) => new(name, async () =>
        {
            var outcome = await Wrk.RunAsync(url, 1, context.Round);
            (p99.TryGetValue(name, out var list) ? list : p99[name] = []).Add(outcome.P99);
            return outcome.Median;
        });
        var measured = await context.InTurnsAsync(Of("plane", setting.Url), Of("direct", backend.Url), Of("nginx", nginx.Url));
        report.Value(
            "proxy, added median, one connection", $"{measured[0]} ms", $"{measured[1]} ms", measured[0].Median - measured[1].Median, "ms", 0.3);
        report.Value(
            "proxy, added p99, one connection", $"{Report.Number(Middle(p99["plane"]))} ms", $"{Report.Number(Middle(p99["direct"]))} ms", Middle(p99["plane"]) - Middle(p99["direct"]), "ms");
        report.Value("nginx, added median, one connection", $"{measured[2]} ms", $"{measured[1]} ms", measured[2].Median - measured[1].Median, "ms");
    }

    private static double Middle(List<double> values) => values.Order().ElementAt(values.Count / 2);
}

/// <summary>The first request on a token that the proxy has never seen, against the second.</summary>
internal sealed class ColdRouteBench : IBench
{
    private const int Tokens = 100;

    public string Name => "proxy-cold";

    public async Task RunAsync(BenchContext context, Report report)
    {
        await using var backend = await Peer.NginxBackendAsync();
        await using var setting = await ProxySetting.StartAsync($"127.0.0.1:{backend.Port}");
        var fresh = new Queue<Uri>();
        async Task<double> MedianAsync(bool cold)
        {
            var times = new List<double>();
            for (var i = 0; i < Tokens; i++)
            {
                if (cold)
                {
                    fresh.Enqueue(await setting.NewTokenAsync());
                }

                var url = fresh.Dequeue();
                var begun = TimeProvider.System.GetTimestamp();
                using var response = await setting.Installation.Http.GetAsync(url);
                times.Add(TimeProvider.System.GetElapsedTime(begun).TotalMilliseconds);
                response.EnsureSuccessStatusCode();
                fresh.Enqueue(url);
            }

            return times.Order().ElementAt(Tokens / 2);
        }

        var measured = await context.InTurnsAsync(new Side("cold", () => MedianAsync(true)), new Side("warm", () => MedianAsync(false)));
        report.Value("proxy, first request on a token", $"{measured[0]} ms", $"{measured[1]} ms", measured[0].Median - measured[1].Median, "ms", 3);
    }
}

/// <summary>A controller, a proxy, and one backend that is somewhere else already.</summary>
internal sealed class ProxySetting : IAsyncDisposable
{
    private readonly int _metrics;

    private ProxySetting(Installation installation, int pid, int metrics, Uri url)
    {
        _metrics = metrics;
        Installation = installation;
        Pid = pid;
        Url = url;
    }

    public Installation Installation { get; }

    /// <summary>The proxy's process.</summary>
    public int Pid { get; }

    /// <summary>The backend's URL with a token of its own.</summary>
    public Uri Url { get; }

    public static async Task<ProxySetting> StartAsync(string backend, params string[] arguments)
    {
        var installation = await Installation.StartAsync();
        try
        {
            await installation.AddDroneAsync(backend);
            var (proxy, metrics) = await installation.AddProxyAsync(arguments);
            return new ProxySetting(installation, proxy.Pid, metrics, new Uri((string)(await installation.ConnectAsync("bench"))["url"]!));
        }
        catch
        {
            await installation.DisposeAsync();
            throw;
        }
    }

    /// <summary>What the proxy has allocated so far, in bytes.</summary>
    public Task<double> AllocatedAsync() => Installation.AllocatedAsync(_metrics);

    public async Task<Uri> NewTokenAsync() => new((string)(await Installation.ConnectAsync("bench", ready: false))["url"]!);

    public ValueTask DisposeAsync() => Installation.DisposeAsync();
}
