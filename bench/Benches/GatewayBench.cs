using System.Collections.Concurrent;
using System.Net.Sockets;
using Orleans;
using Orleans.Hosting;
using Plane.Bench.Load;
using Plane.Bench.Peers;
using Plane.Testing;

namespace Plane.Bench.Benches;

/// <summary>Calls that do nothing, by a hundred callers: within the process, and over the gateway against as many pings of as many bytes on one bare WebSocket.</summary>
internal sealed class GatewayBench : IBench
{
    private const int Callers = 100;

    public string Name => "gateway";

    public async Task RunAsync(BenchContext context, Report report)
    {
        using var local = Silo(FreePort.Next());
        await local.StartAsync();
        var inside = local.Services.GetRequiredService<IGrainFactory>();

        var port = FreePort.Next();
        await using var silo = await RunningProgram.StartDotnetAsync(typeof(GatewayBench).Assembly.Location, ["serve-silo", $"{port}"], name: "silo");
        await silo.WaitForLineAsync("^serving");
        using var client = Client(port);
        await client.StartAsync();
        var outside = client.Services.GetRequiredService<IGrainFactory>();
        await using var echo = await Peer.EchoAsync();

        var measured = await context.InTurnsAsync(
            new Side("in process", () => CallAsync(inside, context.Round)),
            new Side("over the gateway", () => CallAsync(outside, context.Round)),
            new Side("bare WebSocket", () => PingsAsync(echo.Url, context.Round)));
        report.Value("gateway, grain calls in process", $"{measured[0]} calls/s", "", measured[0].Median, "calls/s");
        report.Ratio("gateway, grain calls over the gateway", "calls/s", measured[1], measured[2], 0.5);
        await client.StopAsync();
        await local.StopAsync();
    }

    /// <summary>A silo alone, for a process of its own.</summary>
    public static async Task ServeAsync(int port)
    {
        using var host = Silo(port);
        await host.StartAsync();
        Console.WriteLine("serving");
        await host.WaitForShutdownAsync();
    }

    private static IHost Silo(int port)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.UseOrleans(silo => silo.UseLocalhostClustering(gatewayPort: port));
        return builder.Build();
    }

    private static IHost Client(int port)
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.UseOrleansClient(c => c.UseLocalhostClustering(port));
        return builder.Build();
    }

    private static async Task<double> CallAsync(IGrainFactory grains, TimeSpan duration)
    {
        var time = TimeProvider.System;
        var begun = time.GetTimestamp();
        var counts = await Task.WhenAll(Enumerable.Range(0, Callers).Select(i => Task.Run(async () =>
        {
            var grain = grains.GetGrain<IPingGrain>($"g{i}");
            var calls = 0L;
            while (time.GetElapsedTime(begun) < duration)
            {
                await grain.Ping();
                calls++;
            }

            return calls;
        })));
        return counts.Sum() / time.GetElapsedTime(begun).TotalSeconds;
    }

    // As many bytes as a call's frame and its answer's have, about: a hundred numbered messages under way on one connection.
    private static async Task<double> PingsAsync(Uri url, TimeSpan duration)
    {
        const int Bytes = 110;
        using var socket = await WebSockets.ConnectAsync(url);
        var time = TimeProvider.System;
        var begun = time.GetTimestamp();
        var waiting = new ConcurrentQueue<TaskCompletionSource>();
        using var sending = new SemaphoreSlim(1);
        var over = false;
        var reader = ReadAsync();
        var counts = await Task.WhenAll(Enumerable.Range(0, Callers).Select(_ => Task.Run(async () =>
        {
            var frame = new byte[6 + Bytes];
            (frame[0], frame[1]) = (0x82, 0x80 | Bytes);
            var pings = 0L;
            while (time.GetElapsedTime(begun) < duration)
            {
                var answered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                await sending.WaitAsync();
                waiting.Enqueue(answered);
                await socket.SendAsync(frame);
                sending.Release();
                await answered.Task;
                pings++;
            }

            return pings;
        })));
        var seconds = time.GetElapsedTime(begun).TotalSeconds;
        over = true;
        socket.Shutdown(SocketShutdown.Both);
        await reader;
        return counts.Sum() / seconds;

        async Task ReadAsync()
        {
            var buffer = new byte[64 * 1024];
            var bytes = 0;
            try
            {
                while (await socket.ReceiveAsync(buffer) is > 0 and var count)
                {
                    for (bytes += count; bytes >= Bytes + 2; bytes -= Bytes + 2)
                    {
                        if (waiting.TryDequeue(out var answered))
                        {
                            answered.SetResult();
                        }
                    }
                }
            }
            catch (SocketException) when (over)
            {
                // All is counted; who serves may reset a connection that ends without a WebSocket's closing words.
            }
        }
    }
}

/// <summary>A call that does nothing.</summary>
[Alias("bench.IPingGrain")]
public interface IPingGrain : IGrainWithStringKey
{
    [Alias("Ping")]
    Task Ping();
}

/// <summary>Does nothing.</summary>
public sealed class PingGrain : Grain, IPingGrain
{
    public Task Ping() => Task.CompletedTask;
}
