using Plane.Bench.Load;
using Plane.Bench.Peers;
using Plane.Bench.Roles;

namespace Plane.Bench.Benches;

/// <summary>A request whose token is in a browser session's cookie against one that has it in its path, on one proxy and one backend.</summary>
internal sealed class SessionCookieBench : IBench
{
    private const int Connections = 64;

    public string Name => "proxy-cookie";

    public async Task RunAsync(BenchContext context, Report report)
    {
        await using var backend = await Peer.NginxBackendAsync();
        await using var setting = await ProxySetting.StartAsync($"127.0.0.1:{backend.Port}");
        var answer = await setting.Installation.ConnectAsync("browser", browser: true);
        var host = new Uri((string)answer["browser_url"]!).Authority;
        var root = new Uri($"http://127.0.0.1:{host.Split(':')[1]}/");
        var byPath = new Uri(root, $"{(string)answer["token"]!}/");
        string[] cookie = [$"Host: {host}", $"Cookie: plane-session-{root.Port}={(string)answer["token"]!}"];

        Side Of(string name, Uri url, string[] headers) => new(name, async () => (await Wrk.RunAsync(url, Connections, context.Round, headers: headers)).RequestsPerSecond);
        var speed = await context.InTurnsAsync(Of("cookie", root, cookie), Of("path token", byPath, [$"Host: {host}"]));
        report.Ratio("proxy, by cookie, small bodies, 64 connections", "requests/s", speed[0], speed[1], 1 / 1.05);

        Side Cost(string name, Uri url, string[] headers) => new(name, async () =>
        {
            var before = ProcessUse.Cpu(setting.Pid);
            var count = (await Wrk.RunAsync(url, Connections, context.Round, headers: headers)).RequestsPerSecond * context.Round.TotalSeconds;
            return (ProcessUse.Cpu(setting.Pid) - before).TotalMicroseconds / count;
        });
        var cost = await context.InTurnsAsync(Cost("cookie", root, cookie), Cost("path token", byPath, [$"Host: {host}"]));
        report.Ratio("proxy, by cookie, CPU of the proxy a request", "µs", cost[0], cost[1], 1.05, atLeast: false);
    }
}
