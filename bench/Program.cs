using Plane.Bench;
using Plane.Bench.Benches;
using Plane.Bench.Peers;

// The peers that are .NET programs are this one again, as processes of their own.
if (args is ["serve-yarp", var port, var upstream])
{
    await BareYarp.ServeAsync(int.Parse(port, System.Globalization.CultureInfo.InvariantCulture), upstream);
    return 0;
}

if (args is ["serve-echo", var echoPort])
{
    await EchoBackend.ServeAsync(int.Parse(echoPort, System.Globalization.CultureInfo.InvariantCulture));
    return 0;
}

if (args is ["serve-silo", var siloPort])
{
    await GatewayBench.ServeAsync(int.Parse(siloPort, System.Globalization.CultureInfo.InvariantCulture));
    return 0;
}

// A proxy with all it needs, to be looked at by hand (perf, strace, wrk): stays until its input ends.
if (args is ["serve-proxy", var backend])
{
    await using var setting = await ProxySetting.StartAsync(backend);
    Console.WriteLine($"{setting.Url} pid={setting.Pid}");
    await Console.In.ReadLineAsync();
    return 0;
}

IBench[] all =
[
    new StartBench(),
    new GatewayBench(),
    new ConnectHeldBench(),
    new ConnectNewBench(),
    new ControllersBench(),
    new SpawnBench(),
    new SpawnBurstBench(),
    new WarmConnectBench(),
    new LeaseBench(),
    new ProxySmallBench(),
    new SessionCookieBench(),
    new EdgeBench(),
    new ServiceRouteBench(),
    new TokenVerifyBench(),
    new ServiceWakeBench(),
    new ProxyLatencyBench(),
    new ProxyBodiesBench(),
    new WebSocketEchoBench(),
    new IdleWebSocketBench(),
    new ColdRouteBench(),
    new StatusStreamBench(),
];
var options = BenchOptions.Parse(args, [.. all.Select(b => b.Name)]);
if (options is null)
{
    return 2;
}

var report = new Report();
foreach (var bench in all.Where(b => options.Chosen(b.Name)))
{
    Console.Error.WriteLine($"bench: {bench.Name} …");
    try
    {
        await bench.RunAsync(new BenchContext(options, bench.Name), report);
    }
    catch (Exception e)
    {
        // One peer that is missing must not cost the figures of all others; the table says that this one has none.
        Console.Error.WriteLine($"bench: {bench.Name} failed: {e}");
        report.Failed(bench.Name, e.Message);
    }
}

Console.WriteLine(report.ToMarkdown());
if (options.Output is { } file)
{
    await File.WriteAllTextAsync(file, report.ToMarkdown());
}

return report.HasFailures ? 1 : 0;
