using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Plane.Testing;

namespace Plane.Tests.EndToEnd;

/// <summary>Programs that run out of file descriptors while they serve: their limit is lowered to little above what they have open.</summary>
public sealed class DescriptorTests : IAsyncLifetime, IDisposable
{
    private const string Few = "Connections and files may fail: this program has";
    private const string Again = "has file descriptors left again";

    private readonly TempDirectory _directory = new();
    private readonly List<RunningProgram> _programs = [];
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseCookies = false, UseProxy = false });
    private RunningProgram _controller = null!;
    private RunningProgram _proxy = null!;
    private RunningProgram _drone = null!;
    private Uri _url = null!;
    private string _cluster = "";

    public async Task InitializeAsync()
    {
        _cluster = $"localhost:{FreePort.Next()}";
        _controller = await StartAsync(
            "controller", "--db", $"sqlite:{_directory["plane.db"]}", "--port", "0", "--gateway-port", "0", "--silo-port", "0", "--default-cluster", _cluster);
        var ready = await _controller.WaitForLineAsync(@"^ready controller .*url=(\S+).* gateway=(\S+)");
        _url = new Uri(ready.Groups[1].Value);
        var gateway = ready.Groups[2].Value;
        var ports = FreePort.Range(20);
        _proxy = await StartAsync("proxy", "--gateway", gateway, "--cluster", _cluster, "--host", "127.0.0.1", "--port", _cluster.Split(':')[1]);
        _drone = await StartAsync(
            "drone", "--gateway", gateway, "--cluster", _cluster, "--runtime", "process", "--state", _directory["drone.db"], "--run-dir", _directory["run"],
            "--port-range", $"{ports}-{ports + 19}", "--end-backends-on-stop");
        await _proxy.WaitForLineAsync("^ready proxy ");
        await _drone.WaitForLineAsync("^ready drone ");
    }

    public async Task DisposeAsync()
    {
        await _drone.StopAsync();
        foreach (var program in _programs)
        {
            await program.DisposeAsync();
        }
    }

    public void Dispose()
    {
        _http.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task A_controller_without_descriptors_says_so_over_the_connections_that_it_has_and_recovers()
    {
        Assert.Equal((HttpStatusCode.OK, ""), await HealthAsync(_http));
        await WhileWithoutAsync(_controller, async () =>
        {
            await Eventually.SeenAsync(_ => HealthAsync(_http), h => h.Status == HttpStatusCode.InternalServerError && h.Message.Contains("file descriptors", StringComparison.Ordinal), "it says why");

            // A new connection is closed instead of taking what the runtime needs to live.
            using var other = new HttpClient();
            await Assert.ThrowsAsync<HttpRequestException>(() => other.GetAsync(new Uri(_url, "/pub/health")));
        });
        await Eventually.SeenAsync(_ => HealthAsync(_http), h => h.Status == HttpStatusCode.OK, "it is well again");
        Assert.Equal(HttpStatusCode.OK, (await ConnectAsync("after")).Status);
    }

    [Fact]
    public async Task A_proxy_without_descriptors_says_so_and_serves_what_is_open_and_recovers()
    {
        var (status, connected) = await ConnectAsync("room");
        Assert.Equal(HttpStatusCode.OK, status);
        var url = (string)connected["url"]!;
        using var client = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 1 });
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync(url)).StatusCode);
        var (_, other) = await ConnectAsync("other");
        await Eventually.SeenAsync(
            token => _http.GetStringAsync(new Uri(_url, $"/pub/b/{other["backend_id"]}/status"), token), s => s.Contains("\"ready\"", StringComparison.Ordinal), "the other one is ready");
        var ready = new Uri($"http://{_cluster}/ready");
        await WhileWithoutAsync(_proxy, async () =>
        {
            await Eventually.SeenAsync(
                async token => await (await client.GetAsync(ready, token)).Content.ReadAsStringAsync(token), text => text.Contains("file descriptors", StringComparison.Ordinal), "it is not ready and says why");

            // It has no connection to this backend, and opens none.
            using var refused = await client.GetAsync((string)other["url"]!);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.Contains("the proxy has no file descriptor left", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        });
        await Eventually.SeenAsync(async token => (await client.GetAsync(ready, token)).StatusCode, s => s == HttpStatusCode.OK, "it is ready again");
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync(url)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync((string)other["url"]!)).StatusCode);
    }

    [Fact]
    public async Task A_drone_without_descriptors_takes_no_backends_keeps_those_it_has_and_recovers()
    {
        var (_, before) = await ConnectAsync("room");
        await WhileWithoutAsync(_drone, async () =>
        {
            await Eventually.SeenAsync(
                async token => JsonNode.Parse(await _http.GetStringAsync(new Uri(_url, $"/ctrl/c/{_cluster}/state"), token))!["drones"]![0]!["ready"]!.GetValue<bool>(), ready => !ready, "it takes none");
            var (status, answer) = await ConnectAsync("new");
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "NoDroneAvailable"), (status, (string?)answer["kind"]));
        });
        await Eventually.SeenAsync(_ => ConnectAsync("new"), c => c.Status == HttpStatusCode.OK, "it takes backends again");
        Assert.Equal((string)before["backend_id"]!, (string?)(await ConnectAsync("room")).Answer["backend_id"]);
    }

    private static async Task WhileWithoutAsync(RunningProgram program, Func<Task> act)
    {
        const int Left = 12;
        var limit = await PrlimitAsync(program, "--nofile", "--output", "SOFT", "--noheadings", "--raw");
        await PrlimitAsync(program, $"--nofile={Directory.GetFileSystemEntries($"/proc/{program.Pid}/fd").Length + Left}:");
        await program.WaitForLineAsync(Few);
        await act();
        await PrlimitAsync(program, $"--nofile={limit}:");
        await program.WaitForLineAsync(Again);
        Assert.False(program.HasExited);
        Assert.Single(program.Lines, l => l.Contains(Few, StringComparison.Ordinal));
        Assert.Single(program.Lines, l => l.Contains(Again, StringComparison.Ordinal));
    }

    private static async Task<string> PrlimitAsync(RunningProgram program, params string[] arguments)
    {
        var (code, lines) = await RunningProgram.RunAsync("prlimit", ["--pid", $"{program.Pid}", .. arguments]);
        Assert.True(code == 0, string.Join('\n', lines));
        return string.Concat(lines).Trim();
    }

    private async Task<(HttpStatusCode Status, string Message)> HealthAsync(HttpClient client)
    {
        using var response = await client.GetAsync(new Uri(_url, "/pub/health"));
        return (response.StatusCode, (string?)(await response.Content.ReadFromJsonAsync<JsonNode>())!["message"] ?? "");
    }

    private async Task<(HttpStatusCode Status, JsonNode Answer)> ConnectAsync(string key)
    {
        using var response = await _http.PostAsJsonAsync(new Uri(_url, "/ctrl/connect"), await Installation.RequestAsync(key, "", new JsonObject()));
        return (response.StatusCode, (await response.Content.ReadFromJsonAsync<JsonNode>())!);
    }

    private async Task<RunningProgram> StartAsync(params string[] arguments)
    {
        var program = await RunningProgram.StartDotnetAsync(Checkout.Cli, arguments, name: arguments[0], workingDirectory: _directory.Path);
        _programs.Add(program);
        return program;
    }
}
