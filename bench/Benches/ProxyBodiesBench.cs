using System.Globalization;
using Plane.Bench.Load;
using Plane.Bench.Peers;
using Plane.Bench.Roles;
using Plane.Testing;

namespace Plane.Bench.Benches;

/// <summary>Large bodies both ways: megabytes a second, and the most memory that the proxy ever had.</summary>
internal sealed class ProxyBodiesBench : IBench
{
    private const long Large = 1L << 30;

    public string Name => "proxy-bodies";

    public async Task RunAsync(BenchContext context, Report report)
    {
        using var folder = new TempDirectory();
        foreach (var (name, size) in new[] { ("1m", 1L << 20), ("1g", Large) })
        {
            await using var file = File.Create(folder[name]);
            file.SetLength(size);
        }

        await using var sink = await Peer.EchoAsync();
        await using var backend = await Peer.NginxFilesAsync(folder.Path, $"http://127.0.0.1:{sink.Port}");
        var upstream = $"127.0.0.1:{backend.Port}";
        await using var setting = await ProxySetting.StartAsync(upstream);
        await using var nginx = await Peer.NginxProxyAsync(upstream);

        var small = await context.InTurnsAsync(
            new Side("plane", async () => (await Wrk.RunAsync(new Uri(setting.Url, "1m"), 16, context.Round)).RequestsPerSecond * 1.048576),
            new Side("nginx", async () => (await Wrk.RunAsync(new Uri(nginx.Url, "1m"), 16, context.Round)).RequestsPerSecond * 1.048576));
        report.Ratio("proxy, 1 MiB down, 16 connections", "MB/s", small[0], small[1], 0.8);
        await File.WriteAllTextAsync(folder["post.lua"], "wrk.method = 'POST'\nwrk.body = string.rep('x', 1048576)\n");
        var posted = await context.InTurnsAsync(
            new Side("plane", async () => (await Wrk.RunAsync(new Uri(setting.Url, "sink"), 16, context.Round, folder["post.lua"])).RequestsPerSecond * 1.048576),
            new Side("nginx", async () => (await Wrk.RunAsync(new Uri(nginx.Url, "sink"), 16, context.Round, folder["post.lua"])).RequestsPerSecond * 1.048576));
        report.Ratio("proxy, 1 MiB up, 16 connections", "MB/s", posted[0], posted[1], 0.8);

        ProcessUse.ResetPeak(setting.Pid);
        var before = ProcessUse.Resident(setting.Pid);
        var down = await context.InTurnsAsync(
            new Side("plane", () => CurlAsync("speed_download", new Uri(setting.Url, "1g"))), new Side("nginx", () => CurlAsync("speed_download", new Uri(nginx.Url, "1g"))));
        report.Ratio("proxy, 1 GiB down", "MB/s", down[0], down[1], 0.8);
        var up = await context.InTurnsAsync(
            new Side("plane", () => CurlAsync("speed_upload", new Uri(setting.Url, "sink"), "-T", folder["1g"])),
            new Side("nginx", () => CurlAsync("speed_upload", new Uri(nginx.Url, "sink"), "-T", folder["1g"])));
        report.Ratio("proxy, 1 GiB up", "MB/s", up[0], up[1], 0.8);
        report.Value(
            "proxy, memory grown by bodies of 1 GiB", $"{before >> 20} MB before", "", (ProcessUse.Peak(setting.Pid) - before) / 1048576.0, "MB", 50);
    }

    private static async Task<double> CurlAsync(string figure, Uri url, params string[] arguments)
    {
        var (code, lines) = await RunningProgram.RunAsync(
            "curl", ["-sS", "--fail", "-o", "/dev/null", "-w", $"%{{{figure}}}\n", .. arguments, url.AbsoluteUri], deadline: TimeSpan.FromMinutes(2));
        return code == 0 && double.TryParse(lines[^1], CultureInfo.InvariantCulture, out var bytes)
            ? bytes / 1_000_000
            : throw new InvalidOperationException("curl: " + string.Join('\n', lines));
    }
}
