using System.Net;
using System.Net.Http.Json;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Plane.Testing;
using Xunit.Abstractions;

namespace Plane.Tests.EndToEnd;

/// <summary>A controller, a drone and a proxy as processes of their own, over a PostgreSQL that hangs, and dies.</summary>
public sealed class DatabaseAwayTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Known_routes_and_open_streams_go_on_without_the_database_the_rest_is_told_to_wait_and_everything_recovers()
    {
        using var directory = new TempDirectory();
        using var http = new HttpClient(new SocketsHttpHandler { UseCookies = false });
        await using var server = await PostgresServer.StartAsync(output);
        var proxyPort = FreePort.Next();
        var cluster = $"localhost:{proxyPort}";
        await using var controller = await PlaneAsync(
            "controller", "--db", $"postgres://postgres@127.0.0.1:{server.Port}/postgres", "--port", "0", "--gateway-port", "0", "--silo-port", "0", "--default-cluster", cluster);
        var ready = await controller.WaitForLineAsync(@"^ready controller .*url=(\S+).* gateway=(\S+)");
        var (connect, gateway) = (new Uri(new Uri(ready.Groups[1].Value), "/ctrl/connect"), ready.Groups[2].Value);
        var first = FreePort.Range(20);
        await using var proxy = await PlaneAsync("proxy", "--gateway", gateway, "--cluster", cluster, "--host", "127.0.0.1", "--port", $"{proxyPort}");
        await using var drone = await PlaneAsync(
            "drone", "--gateway", gateway, "--cluster", cluster, "--runtime", "process", "--state", directory["drone.db"], "--run-dir", directory["run"],
            "--port-range", $"{first}-{first + 19}", "--end-backends-on-stop", "--port-rest", "1s");
        await proxy.WaitForLineAsync("^ready proxy ");
        await drone.WaitForLineAsync("^ready drone ");

        // A drone that is killed leaves its backends running, on purpose: it is stopped, whatever becomes of the test.
        await using var end = new Stopped(drone);
        var known = await ConnectedAsync("known");
        Assert.Contains(known.Backend, await http.GetStringAsync(known.Url), StringComparison.Ordinal);
        using var stream = new ClientWebSocket();
        await stream.ConnectAsync(new UriBuilder(new Uri(known.Url, "ws")) { Scheme = "ws" }.Uri, default);
        await EchoAsync();

        // It hangs: connections stand, nothing is answered.
        server.Pause();
        try
        {
            await KnownGoesOnAsync();
            await RestWaitsAsync("hung");
            await KnownGoesOnAsync();
        }
        finally
        {
            server.Resume();
        }

        await ConnectedAsync("after the hang");
        await KnownGoesOnAsync();

        // It dies.
        await server.StopAsync(Signal.Kill);
        await KnownGoesOnAsync();
        await RestWaitsAsync("dead");
        await KnownGoesOnAsync();
        await server.RestartAsync(output);
        await ConnectedAsync("after the crash");
        await KnownGoesOnAsync();

        // The session of the beginning is still the key's, though it is ended when it is not used for two seconds.
        var again = await ConnectedAsync("known");
        Assert.Equal((known.Backend, known.FencingToken, false), (again.Backend, again.FencingToken, again.Spawned));

        async Task KnownGoesOnAsync()
        {
            await EchoAsync();
            Assert.Contains(known.Backend, await http.GetStringAsync(known.Url), StringComparison.Ordinal);
        }

        async Task EchoAsync()
        {
            await stream.SendAsync("still here"u8.ToArray(), WebSocketMessageType.Text, true, default);
            var buffer = new byte[100];
            var received = await Eventually.EndsAsync(stream.ReceiveAsync(buffer, default), "the stream echoes");
            Assert.Equal("still here", Encoding.UTF8.GetString(buffer, 0, received.Count));
        }

        async Task RestWaitsAsync(string key)
        {
            using var answer = await http.PostAsJsonAsync(connect, await RequestAsync(key));
            var text = await answer.Content.ReadAsStringAsync();
            Assert.True(answer.StatusCode == HttpStatusCode.ServiceUnavailable, $"{answer.StatusCode}: {text}\n{controller.Transcript()}");
            Assert.NotNull(answer.Headers.RetryAfter);
            Assert.Equal("DatabaseError", (string?)JsonNode.Parse(text)!["kind"]);
        }

        async Task<Connected> ConnectedAsync(string key)
        {
            var request = await RequestAsync(key);
            return await Eventually.SeenAsync(
                async token =>
                {
                    using var answer = await http.PostAsJsonAsync(connect, request, token);
                    var text = await answer.Content.ReadAsStringAsync(token);
                    return answer.StatusCode == HttpStatusCode.OK ? new Connected(JsonNode.Parse(text)!) : throw new InvalidOperationException(text);
                },
                _ => true,
                $"connected to {key}");
        }

        static Task<JsonObject> RequestAsync(string key) =>
            Installation.RequestAsync(key, "", new JsonObject { ["max_idle_seconds"] = 2 });

        // The default numbers: sessions outlive 25 s without a controller, on a busy machine too.
        Task<RunningProgram> PlaneAsync(params string[] arguments) => RunningProgram.StartDotnetAsync(
            Checkout.Cli, arguments, output, Installation.ShortLeases(1), directory.Path, arguments[0]);
    }

    private sealed class Stopped(RunningProgram program) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await program.StopAsync();
    }
}
