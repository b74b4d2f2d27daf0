using System.Net;
using Plane.Testing;
using Plane.Tests.Tls;

namespace Plane.Tests.Acme;

/// <summary>The proxy that is at an order dies, or stands still, in the middle of it: another continues.</summary>
[Collection(WorldTests.Name)]
public sealed class HolderTests(World world) : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(Signal.Kill)]
    [InlineData(Signal.Stop)]
    public async Task Another_proxy_orders_once_the_lease_of_one_that_hangs_is_over(Signal signal)
    {
        await using var pebble = await Pebble.StartAsync(world.Resolver);
        await using var front = await CaFront.StartAsync(pebble);
        var reached = new TaskCompletionSource();
        var goOn = new TaskCompletionSource();
        front.Before = async call =>
        {
            if (call.Path.StartsWith("/finalize-order", StringComparison.Ordinal) && reached.TrySetResult())
            {
                await goOn.Task;
            }

            return false;
        };
        var cluster = world.NewCluster();
        var port = FreePort.Next();
        await using var holder = await RunningProgram.StartDotnetAsync(
            Checkout.Cli,
            [
                "proxy", "--gateway", world.Gateway, "--cluster", cluster, "--name", "px-holder", "--host", "127.0.0.1", "--https", "--http-port", $"{port}", "--https-port", "0",
                "--cert-dir", _directory["holder"], "--cert-check-every", "100ms", "--acme-directory", front.Directory.AbsoluteUri, "--acme-ca-file", Loopback.CaFile,
                "--acme-settle", "1300ms", "--acme-poll-every", "50ms", "--acme-lease-time", "3s", "--acme-retry-after", "300ms",
            ],
            name: "holder",
            workingDirectory: _directory.Path);
        await holder.WaitForLineAsync("^ready proxy ");
        await Eventually.SeenAsync(
            () => (reached.Task.IsCompleted, holder.Lines[^1]), s => s.IsCompleted, "the first proxy is in the middle of its order");
        Signals.Send(holder.Pid, signal);
        if (signal == Signal.Kill)
        {
            goOn.SetResult();
        }

        await using var other = await TlsProxy.StartAsync(
            cluster, Pebble.Options(front.Directory, _directory["other"], a => a.Settle = TimeSpan.FromSeconds(1.3)), world.Connection);
        using var shown = await other.HandshakeAsync();
        Assert.Contains(other.Log.Lines, l => l.Contains("Waiting while proxy px-holder orders", StringComparison.Ordinal));

        if (signal == Signal.Stop)
        {
            // What stood still continues beside the other's work, and ends with a certificate of its own.
            Signals.Send(holder.Pid, Signal.Continue);
            goOn.SetResult();
            using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false }) { BaseAddress = new Uri($"http://127.0.0.1:{port}/") };
            await Eventually.SeenAsync(async stop => (await http.GetAsync("ready", stop)).StatusCode, s => s == HttpStatusCode.OK, "the first proxy serves too");
            Assert.Equal(2, front.Count("/order-plz"));
        }
    }
}
