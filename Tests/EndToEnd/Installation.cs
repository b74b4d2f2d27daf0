using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Plane.Testing;

namespace Plane.Tests.EndToEnd;

/// <summary>
/// An installation as an operator has it: a controller on PostgreSQL, two drones in two pools (containers and processes) and a proxy, each a process of its
/// own, joined over the gateway. Leases are a tenth as long as by default. Tests talk to it by HTTP and by the command line only.
/// </summary>
public sealed class Installation : IAsyncLifetime, IDisposable
{
    public const string Containers = "containers";
    public const string Processes = "processes";

    private readonly TempDirectory _directory = new();
    private readonly List<RunningProgram> _programs = [];
    private TestDatabase? _database;
    private HttpClient? _http;

    public Uri Controller { get; private set; } = null!;

    public string Gateway { get; private set; } = "";

    public string Cluster { get; private set; } = "";

    public Uri Proxy => new($"http://{Cluster}/");

    public HttpClient Http => _http ?? throw new InvalidOperationException("not started");

    public TestDatabase Database => _database ?? throw new InvalidOperationException("not started");

    /// <summary>Lease numbers three tenths of the defaults, or another part of them, as environment variables. A busy machine must get its heartbeats through.</summary>
    public static Dictionary<string, string?> ShortLeases(double factor = 0.3)
    {
        var variables = new Dictionary<string, string?>();
        var numbers = LeaseOptions.Scaled(factor);
        foreach (var property in typeof(LeaseOptions).GetProperties().Where(p => p.PropertyType == typeof(TimeSpan)))
        {
            variables[$"PLANE__LEASE_NUMBERS__{property.Name}"] =
                string.Create(CultureInfo.InvariantCulture, $"{((TimeSpan)property.GetValue(numbers)!).TotalMilliseconds}ms");
        }

        return variables;
    }

    public async Task InitializeAsync()
    {
        _http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false });
        _database = await (await PostgresServer.SharedAsync()).CreateDatabaseAsync();
        var proxyPort = FreePort.Next();
        Cluster = $"localhost:{proxyPort}";
        var controller = await StartAsync(
            "controller", ["controller", "--db", _database.Url, "--port", "0", "--gateway-port", "0", "--silo-port", "0", "--default-cluster", Cluster], ShortLeases());
        var ready = await controller.WaitForLineAsync(@"^ready controller .*url=(\S+).* gateway=(\S+)");
        Controller = new Uri(ready.Groups[1].Value);
        Gateway = ready.Groups[2].Value;

        // The proxy and the drones start at the same time: none waits for another.
        var proxy = await StartAsync("proxy", ["proxy", "--gateway", Gateway, "--cluster", Cluster, "--host", "127.0.0.1", "--port", $"{proxyPort}"]);
        var containers = await StartDroneAsync("dr-containers", Containers, "docker");
        var processes = await StartDroneAsync("dr-processes", Processes, "process");
        await proxy.WaitForLineAsync("^ready proxy ");
        await containers.WaitForLineAsync("^ready drone ");
        await processes.WaitForLineAsync("^ready drone ");
    }

    /// <summary>Starts one more drone.</summary>
    public Task<RunningProgram> StartDroneAsync(string name, string pool, string runtime)
    {
        var first = FreePort.Range(50);
        return StartAsync(
            name,
            [
                "drone", "--gateway", Gateway, "--cluster", Cluster, "--name", name, "--pool", pool, "--runtime", runtime,
                "--state", _directory[$"{name}.db"], "--run-dir", _directory[name], "--mount-base", _directory[$"{name}-mounts"],
                "--port-range", $"{first}-{first + 49}", "--end-backends-on-stop", "--port-rest", "1s",
            ]);
    }

    /// <summary>Starts a program of this build's command line.</summary>
    /// <param name="name">Under which its lines are shown.</param>
    /// <param name="arguments">The command and its options.</param>
    /// <param name="environment">Variables beside those of the test run.</param>
    /// <param name="priority">Its nice value; what a unit of <c>deploy/systemd</c> sets.</param>
    public async Task<RunningProgram> StartAsync(
        string name, string[] arguments, Dictionary<string, string?>? environment = null, int priority = 0)
    {
        string[] command = [Checkout.Dotnet, Checkout.Cli, .. arguments];
        if (priority != 0)
        {
            command = ["nice", "-n", priority.ToString(CultureInfo.InvariantCulture), .. command];
        }

        var program = await RunningProgram.StartAsync(
            command[0], command[1..], environment: environment, workingDirectory: _directory.Path, name: name);
        _programs.Add(program);
        return program;
    }

    /// <summary>Runs an operator's command.</summary>
    public async Task<(int ExitCode, IReadOnlyList<string> Lines)> PlaneAsync(params string[] arguments) =>
        await RunningProgram.RunAsync(
            Checkout.Dotnet, [Checkout.Cli, .. arguments], environment: new Dictionary<string, string?> { ["PLANE_CONTROLLER"] = Controller.AbsoluteUri });

    /// <summary>A command with <c>--json</c> that must succeed.</summary>
    public async Task<JsonNode> PlaneJsonAsync(params string[] arguments)
    {
        var (code, lines) = await PlaneAsync([.. arguments, "--json"]);
        Assert.True(code == 0, $"plane {string.Join(' ', arguments)} exited with {code}:\n{string.Join('\n', lines)}");
        return JsonNode.Parse(string.Join('\n', lines))!;
    }

    /// <summary>Connects by HTTP; must succeed.</summary>
    public async Task<Connected> ConnectAsync(JsonObject request)
    {
        using var response = await Http.PostAsJsonAsync(new Uri(Controller, "/ctrl/connect"), request);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, $"connect answered {(int)response.StatusCode}: {text}\n{Transcripts()}");
        return new Connected(JsonNode.Parse(text)!);
    }

    /// <summary>A connect request for the test backend.</summary>
    public static async Task<JsonObject> RequestAsync(string key, string pool = Containers, JsonObject? spawn = null, params (string, string)[] behaviour)
    {
        var env = new JsonObject();
        foreach (var (name, value) in behaviour)
        {
            env[name] = value;
        }

        var config = spawn ?? [];
        config["pool"] = pool;
        config["executable"] = pool == Containers
            ? new JsonObject { ["image"] = await DockerImages.BackendAsync(), ["env"] = env }
            : new JsonObject { ["command"] = new JsonArray([.. DockerImages.BackendCommand().Select(c => (JsonNode)c)]), ["env"] = env };
        return new JsonObject { ["key"] = new JsonObject { ["name"] = key }, ["spawn_config"] = config };
    }

    public async Task<string> StatusAsync(string backend) => (string)(await StatusEntryAsync(backend))["status"]!;

    public async Task<JsonNode> StatusEntryAsync(string backend) =>
        (await Http.GetFromJsonAsync<JsonNode>(new Uri(Controller, $"/pub/b/{backend}/status")))!;

    /// <summary>Waits for a status and returns its entry.</summary>
    public Task<JsonNode> WaitForAsync(string backend, string status, TimeSpan? deadline = null) =>
        Eventually.SeenAsync(async _ => await StatusEntryAsync(backend), e => (string?)e["status"] == status, $"{backend} is {status}\n{Transcripts()}", deadline);

    public async Task TerminateAsync(string backend)
    {
        using var response = await Http.PostAsync(new Uri(Controller, $"/ctrl/b/{backend}/hard-terminate"), null);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        await WaitForAsync(backend, "terminated");
    }

    public string Transcripts() => string.Join('\n', _programs.Select(p => $"--- {p.Name}\n{string.Join('\n', p.Lines.TakeLast(40))}"));

    public void Dispose()
    {
        _http?.Dispose();
        _directory.Dispose();
    }

    public async Task DisposeAsync()
    {
        // In the order of their need of each other: a drone ends its backends by asking nobody, but reports it to the controller.
        foreach (var program in Enumerable.Reverse(_programs))
        {
            if (!program.HasExited)
            {
                await program.StopAsync();
            }

            await program.DisposeAsync();
        }

        if (_database is not null)
        {
            await _database.DisposeAsync();
        }

        Dispose();
    }
}

/// <summary>What a connect answered.</summary>
public sealed class Connected(JsonNode json)
{
    public JsonNode Json => json;

    public string Backend => (string)json["backend_id"]!;

    public bool Spawned => (bool)json["spawned"]!;

    public string Token => (string)json["token"]!;

    public Uri Url => new((string)json["url"]!);

    public long FencingToken => (long)json["key"]!["fencing_token"]!;
}

/// <summary>Tests that share one installation. They run one after another; each uses keys of its own.</summary>
[CollectionDefinition(Name)]
public sealed class InstallationTests : ICollectionFixture<Installation>
{
    public const string Name = "installation";
}
