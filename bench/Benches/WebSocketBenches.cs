using Plane.Bench.Load;
using Plane.Bench.Peers;
using Plane.Bench.Roles;

namespace Plane.Bench.Benches;

/// <summary>Small messages there and back.</summary>
internal sealed class WebSocketEchoBench : IBench
{
    public string Name => "proxy-websocket";

    public async Task RunAsync(BenchContext context, Report report)
    {
        await using var backend = await Peer.EchoAsync();
        var upstream = $"127.0.0.1:{backend.Port}";
        await using var setting = await ProxySetting.StartAsync(upstream);
        await using var nginx = await Peer.NginxProxyAsync(upstream);
        Side Rate(string name, Uri url) => new(name, async () => (await WebSockets.PingPongAsync(url, 64, 100, context.Round)).PerSecond);
        Side Latency(string name, Uri url) => new(name, async () => (await WebSockets.PingPongAsync(url, 1, 100, context.Round)).Median);
        var rate = await context.InTurnsAsync(Rate("plane", setting.Url), Rate("nginx", nginx.Url));
        report.Ratio("proxy, WebSocket echo, 64 connections", "messages/s", rate[0], rate[1], 0.5);
        var latency = await context.InTurnsAsync(Latency("plane", setting.Url), Latency("direct", backend.Url), Latency("nginx", nginx.Url));
        report.Value("proxy, WebSocket echo, added median", $"{latency[0]} ms", $"{latency[1]} ms", latency[0].Median - latency[1].Median, "ms");
        report.Value("nginx, WebSocket echo, added median", $"{latency[2]} ms", $"{latency[1]} ms", latency[2].Median - latency[1].Median, "ms");
    }
}

/// <summary>Ten thousand connections on which nothing happens, or as many as the limit on open files lets one process carry: what each costs.</summary>
internal sealed class IdleWebSocketBench : IBench
{
    private static readonly int s_connections = Math.Min(10_000, (ProcessUse.OpenFilesLimit() - 1_000) / 2);
    private static readonly TimeSpan s_rest = TimeSpan.FromSeconds(20);

    public string Name => "proxy-idle-websockets";

    public async Task RunAsync(BenchContext context, Report report)
    {
        await using var backend = await Peer.EchoAsync();
        var upstream = $"127.0.0.1:{backend.Port}";
        await using var setting = await ProxySetting.StartAsync(upstream);
        await using var nginx = await Peer.NginxProxyAsync(upstream);
        await HoldAsync(setting.Url, 200, () => Task.CompletedTask);
        var ours = await CostAsync(setting.Url, () => ProcessUse.Resident(setting.Pid), () => ProcessUse.Cpu(setting.Pid));
        var theirs = await CostAsync(nginx.Url, () => Workers(nginx.Program.Pid).Sum(ProcessUse.Resident), () => ProcessUse.Cpu(nginx.Program.Pid, withChildren: true));
        report.Value($"proxy, {s_connections:N0} idle WebSockets, memory each", "plane", $"nginx {Report.Number(theirs.Memory)} kB", ours.Memory, "kB", 25);
        report.Value($"proxy, {s_connections:N0} idle WebSockets, CPU of a core", "plane", $"nginx {Report.Number(theirs.Cpu)} %", ours.Cpu, "%", 2);
    }

    private static async Task<(double Memory, double Cpu)> CostAsync(Uri url, Func<long> resident, Func<TimeSpan> cpu)
    {
        var before = resident();
        var (after, share) = (0L, 0.0);
        await HoldAsync(url, s_connections, async () =>
        {
            // What the handshakes left behind is collected by then.
            await Task.Delay(s_rest);
            after = resident();
            var used = cpu();
            await Task.Delay(s_rest);
            share = (cpu() - used) / s_rest * 100;
        });
        return ((after - before) / 1000.0 / s_connections, share);
    }

    private static async Task HoldAsync(Uri url, int count, Func<Task> whileOpen)
    {
        var sockets = new List<System.Net.Sockets.Socket>(count);
        try
        {
            while (sockets.Count < count)
            {
                sockets.AddRange(await Task.WhenAll(Enumerable.Range(0, Math.Min(100, count - sockets.Count)).Select(_ => WebSockets.ConnectAsync(url))));
            }

            await whileOpen();
        }
        finally
        {
            sockets.ForEach(s => s.Dispose());
        }
    }

    private static IEnumerable<int> Workers(int master) => File.ReadAllText($"/proc/{master}/task/{master}/children")
        .Split(' ', StringSplitOptions.RemoveEmptyEntries)
        .Select(p => int.Parse(p, System.Globalization.CultureInfo.InvariantCulture));
}
