using System.Globalization;
using System.Text.Json.Nodes;
using Plane.Testing;

namespace Plane.Bench.Roles;

/// <summary>A controller, or several, on PostgreSQL (on disk, durable), as many proxies as asked for, each a process of its own on built binaries, and drones that are simulated here.</summary>
internal sealed class Installation : IAsyncDisposable
{
    private readonly List<IAsyncDisposable> _parts = [];

    private readonly int _metrics;

    private Installation(PostgresServer server, TestDatabase database, ClusterName cluster, int metrics, IEnumerable<(RunningProgram Program, Uri Url, string Gateway)> controllers)
    {
        _metrics = metrics;
        Server = server;
        Database = database;
        Cluster = cluster;
        Controllers = [.. controllers.Select(c => c.Program)];
        Urls = [.. controllers.Select(c => c.Url)];
        Gateway = string.Join(',', controllers.Select(c => c.Gateway));
    }

    public PostgresServer Server { get; }

    public TestDatabase Database { get; }

    public IReadOnlyList<RunningProgram> Controllers { get; }

    /// <summary>Where each controller serves.</summary>
    public IReadOnlyList<Uri> Urls { get; }

    public RunningProgram Controller => Controllers[0];

    public Uri Url => Urls[0];

    /// <summary>The gateways of all, as the command line takes them.</summary>
    public string Gateway { get; }

    public ClusterName Cluster { get; }

    public HttpClient Http { get; } = new();

    public static async Task<Installation> StartAsync(int controllers = 1)
    {
        // Not on a memory file system: what a commit costs is part of the question.
        var server = await PostgresServer.StartAsync(settings: ["max_connections=300"], parent: Path.GetTempPath());
        var database = await server.CreateDatabaseAsync();
        var cluster = ClusterName.Parse($"localhost:{FreePort.Next()}");
        var metrics = FreePort.Next();
        var started = new List<(RunningProgram, Uri, string)>();
        for (var i = 0; i < controllers; i++)
        {
            var program = await RunningProgram.StartDotnetAsync(
                Checkout.Cli,
                [
                    "controller", "--db", database.Url, "--port", "0", "--gateway-port", "0", "--default-cluster", cluster.Value, "--log-level", "warning",
                    "--metrics-port", i == 0 ? $"{metrics}" : "0", "--silo-port", "0",
                ],
                name: $"controller-{i + 1}");
            var ready = await program.WaitForLineAsync(@"^ready controller .*url=(\S+).* gateway=(\S+)");
            started.Add((program, new Uri(ready.Groups[1].Value), ready.Groups[2].Value));
        }

        return new Installation(server, database, cluster, metrics, started);
    }

    /// <summary>A drone that says at once that what it should start is ready, at <paramref name="address"/>.</summary>
    public async Task<SimulatedDrone> AddDroneAsync(string address, int maxBackends = 100_000, string pool = "")
    {
        var drone = await SimulatedDrone.StartAsync(Gateway, Cluster, address, maxBackends, pool);
        _parts.Add(drone);
        return drone;
    }

    public async Task<(RunningProgram Program, int Metrics)> AddProxyAsync(params string[] arguments)
    {
        var metrics = FreePort.Next();
        var proxy = await RunningProgram.StartDotnetAsync(
            Checkout.Cli,
            ["proxy", "--gateway", Gateway, "--cluster", Cluster.Value, "--host", "127.0.0.1", "--port", Cluster.Value.Split(':')[1], "--log-level", "warning", "--metrics-port", $"{metrics}", .. arguments],
            name: "proxy");
        _parts.Add(proxy);
        await proxy.WaitForLineAsync("^ready proxy ");
        return (proxy, metrics);
    }

    /// <summary>What the controller has allocated so far, in bytes.</summary>
    public Task<double> AllocatedAsync() => AllocatedAsync(_metrics);

    /// <summary>What the program with this metrics port has allocated so far, in bytes, as it says itself.</summary>
    public async Task<double> AllocatedAsync(int metrics)
    {
        var text = await Http.GetStringAsync(new Uri($"http://127.0.0.1:{metrics}/metrics"));
        var line = text.Split('\n').FirstOrDefault(l => l.StartsWith("dotnet_gc_heap_total_allocated", StringComparison.Ordinal))
            ?? throw new InvalidOperationException("the metrics say nothing of the heap");

        // NAME{LABELS} VALUE [TIME]
        var value = line[(line.IndexOf('}', StringComparison.Ordinal) + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return double.Parse(line.Contains('}', StringComparison.Ordinal) ? value[0] : value[1], CultureInfo.InvariantCulture);
    }

    /// <summary>Connects to a key and waits until its backend is ready; the answer as it came.</summary>
    public async Task<JsonNode> ConnectAsync(string key, bool ready = true, bool browser = false)
    {
        using var response = await Http.PostAsJsonAsync(new Uri(Url, "ctrl/connect"), Body(key, browser));
        var text = await response.Content.ReadAsStringAsync();
        if (!response.IsSuccessStatusCode)
        {
            throw new InvalidOperationException($"connect to {key}: {(int)response.StatusCode} {text}");
        }

        var answer = JsonNode.Parse(text)!;
        if (ready)
        {
            var backend = (string)answer["backend_id"]!;
            await Eventually.SeenAsync(
                async token => (string?)JsonNode.Parse(await Http.GetStringAsync(new Uri(Url, $"pub/b/{backend}/status"), token))!["status"],
                status => status == "ready",
                $"{backend} is ready");
        }

        return answer;
    }

    /// <summary>What a connect to a key says.</summary>
    public static JsonObject Body(string key, bool browser = false)
    {
        var spawn = new JsonObject { ["executable"] = new JsonObject { ["image"] = "simulated" } };
        if (browser)
        {
            spawn["browser"] = true;
        }

        return new JsonObject { ["key"] = new JsonObject { ["name"] = key }, ["spawn_config"] = spawn };
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var part in Enumerable.Reverse(_parts))
        {
            await part.DisposeAsync();
        }

        foreach (var controller in Controllers)
        {
            await controller.DisposeAsync();
        }

        Http.Dispose();
        await Server.DisposeAsync();
    }
}
