using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Npgsql;
using Plane.Tests.EndToEnd;
using Plane.Testing;

namespace Plane.Tests.Cluster;

/// <summary>
/// Two controllers on one PostgreSQL of their own, a proxy and a drone that know both, and a load balancer before the controllers: each a process, so that one can
/// be killed. The proxy and the drone are started first. Controllers reach each other over relays, at addresses of their own, so that the way between them can be
/// cut. Leases are the default ones, since what is tested takes seconds.
/// </summary>
public sealed class Controllers : IAsyncLifetime, IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly List<RunningProgram> _programs = [];
    private readonly List<TcpRelay> _relays = [];
    private readonly ConcurrentDictionary<string, bool> _backends = [];
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false, PooledConnectionLifetime = TimeSpan.FromSeconds(1) })
    {
        Timeout = TimeSpan.FromSeconds(30),
    };

    private static readonly IPAddress s_reachedAt = IPAddress.Parse("127.0.0.2");

    private PostgresServer? _server;

    public sealed record Node(string Name, int HttpPort, int GatewayPort, int SiloPort)
    {
        public Node(string name)
            : this(name, FreePort.Next(), FreePort.Next(), FreePort.Next())
        {
        }

        public Uri Url => new($"http://127.0.0.1:{HttpPort}/");

        public RunningProgram? Program { get; set; }
    }

    public IReadOnlyList<Node> Nodes { get; } =
    [
        new("co-one"),
        new("co-two"),
    ];

    public Node One => Nodes[0];

    public Node Two => Nodes[1];

    public PostgresServer Server => _server ?? throw new InvalidOperationException("not started");

    public TestDatabase Database { get; private set; } = null!;

    public HttpClient Http => _http;

    public string Cluster { get; private set; } = "";

    public Uri Balancer { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        _server = await PostgresServer.StartAsync();
        Database = await _server.CreateDatabaseAsync();
        var proxyPort = FreePort.Next();
        Cluster = $"localhost:{proxyPort}";
        var gateways = string.Join(',', Nodes.Select(n => $"localhost:{n.GatewayPort}"));
        var ports = FreePort.Range(50);
        var proxy = await StartAsync("proxy", ["proxy", "--gateway", gateways, "--cluster", Cluster, "--host", "127.0.0.1", "--port", $"{proxyPort}"]);
        var drone = await StartAsync(
            "dr-one",
            [
                "drone", "--gateway", gateways, "--cluster", Cluster, "--name", "dr-one", "--pool", Installation.Processes, "--runtime", "process",
                "--state", _directory["drone.db"], "--run-dir", _directory["run"], "--mount-base", _directory["mounts"],
                "--port-range", $"{ports}-{ports + 49}", "--end-backends-on-stop", "--port-rest", "1s",
            ]);
        await Task.WhenAll(Nodes.Select(n => StartNodeAsync(n)));
        await StartBalancerAsync();
        await proxy.WaitForLineAsync("^ready proxy ", TimeSpan.FromSeconds(120));
        await drone.WaitForLineAsync("^ready drone ", TimeSpan.FromSeconds(120));
    }

    /// <summary>Starts a controller, on the ports that it had before. On a machine that does much else that takes its time.</summary>
    public async Task StartNodeAsync(Node node)
    {
        if (!_relays.Any(r => r.Port == node.SiloPort))
        {
            _relays.Add(new TcpRelay(new IPEndPoint(s_reachedAt, node.SiloPort), node.SiloPort));
        }

        node.Program = await StartAsync(node.Name, Arguments(node, Database.Url, "--advertised-address", $"{s_reachedAt}"));
        await node.Program.WaitForLineAsync("^ready controller ", TimeSpan.FromSeconds(120));
    }

    public string[] Arguments(Node node, string database, params string[] more) =>
        [
            "controller", "--db", database, "--name", node.Name, "--port", $"{node.HttpPort}", "--gateway-port", $"{node.GatewayPort}", "--silo-port", $"{node.SiloPort}",
            "--default-cluster", Cluster, .. more,
        ];

    /// <summary>From now on controllers do not reach each other, though everybody else reaches them.</summary>
    public void Divide() => _relays.ForEach(r => r.Cut());

    /// <summary>Puts right what a test that failed may have left.</summary>
    public async Task MendAsync()
    {
        Reunite();
        foreach (var node in Nodes)
        {
            node.Program!.Send(Signal.Continue);
            if (node.Program!.HasExited)
            {
                await StartNodeAsync(node);
            }
        }
    }

    /// <summary>Ends the backends of a test that is over: the drone's ports are for the next one.</summary>
    public async Task EndBackendsAsync()
    {
        await Task.WhenAll(_backends.Keys.Select(async backend =>
        {
            await Eventually.SeenAsync(_ => TryEndAsync(backend), s => s is HttpStatusCode.OK, $"{backend} is told to end\n{Transcripts()}");
            await Eventually.SeenAsync(_ => StatusAsync(Nodes[0].Url, backend), s => s == "terminated", $"{backend} has ended\n{Transcripts()}");
        }));
        _backends.Clear();
    }

    private async Task<HttpStatusCode?> TryEndAsync(string backend)
    {
        try
        {
            using var response = await _http.PostAsync(new Uri(Nodes[0].Url, $"/ctrl/b/{backend}/hard-terminate"), null);
            return response.StatusCode;
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }

    /// <summary>Waits until the load balancer sends requests to a controller: what an operator waits for before the next one is restarted.</summary>
    public async Task BalancerSeesAsync(Node node) => await Eventually.SeenAsync(
        async cancellation => (await _http.GetStringAsync(new Uri(Balancer, "/balancer;csv"), cancellation))
            .Split('\n').Select(l => l.Split(',')).FirstOrDefault(l => l.Length > 17 && l[1] == node.Name)?[17],
        status => status == "UP",
        $"the load balancer sees {node.Name}",
        TimeSpan.FromSeconds(60));

    /// <summary>Waits until a controller's own word of its health is this.</summary>
    public async Task HealthAsync(Node node, bool healthy) => await Eventually.SeenAsync(
        async cancellation =>
        {
            using var response = await _http.GetAsync(new Uri(node.Url, "/pub/health"), cancellation);
            return response.IsSuccessStatusCode;
        },
        ok => ok == healthy,
        $"{node.Name} says that it is {(healthy ? "" : "not ")}healthy",
        TimeSpan.FromSeconds(60));

    public void Reunite() => _relays.ForEach(r => r.Mend());

    /// <summary>How many controllers the membership's table calls alive.</summary>
    public async Task<long> AliveAsync()
    {
        await using var connection = new NpgsqlConnection(Database.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("select count(*) from plane.orleansmembershiptable where status = 3", connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Starts a program of this build's command line.</summary>
    public async Task<RunningProgram> StartAsync(string name, string[] arguments)
    {
        var program = await RunningProgram.StartDotnetAsync(Checkout.Cli, arguments, name: name, workingDirectory: _directory.Path);
        lock (_programs)
        {
            _programs.Add(program);
        }

        return program;
    }

    /// <summary>Connects once; null and the reason where that failed.</summary>
    public async Task<(Connected? Connected, string Reason)> TryConnectAsync(Uri controller, string key)
    {
        try
        {
            var request = await Installation.RequestAsync(key, Installation.Processes);
            using var response = await _http.PostAsJsonAsync(new Uri(controller, "/ctrl/connect"), request);
            var text = await response.Content.ReadAsStringAsync();
            if (!response.IsSuccessStatusCode)
            {
                return (null, $"{(int)response.StatusCode} {text}");
            }

            var connected = new Connected(JsonNode.Parse(text)!);
            _backends[connected.Backend] = true;
            return (connected, "");
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return (null, e.Message);
        }
    }

    /// <summary>Connects once, with a backend that a shell script is.</summary>
    public async Task<Connected> ConnectAsync(Uri controller, string key, string script)
    {
        var request = await Installation.RequestAsync(key, Installation.Processes);
        request["spawn_config"]!["executable"] = new JsonObject { ["command"] = new JsonArray("/bin/sh", "-c", script) };
        using var response = await _http.PostAsJsonAsync(new Uri(controller, "/ctrl/connect"), request);
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, text);
        var connected = new Connected(JsonNode.Parse(text)!);
        _backends[connected.Backend] = true;
        return connected;
    }

    /// <summary>Connects until it succeeds.</summary>
    public async Task<Connected> ConnectAsync(Uri controller, string key, TimeSpan? deadline = null) =>
        (await Eventually.SeenAsync(_ => TryConnectAsync(controller, key), c => c.Connected is not null, $"a connect to {key}\n{Transcripts()}", deadline)).Connected!;

    public async Task<string> StatusAsync(Uri controller, string backend) => (string)(await StatusEntryAsync(controller, backend))["status"]!;

    /// <summary>That each key still has the backend that it had; where not, what became of that one.</summary>
    public async Task AssertSameAsync(Uri controller, IEnumerable<Connected> before, IEnumerable<Connected> after)
    {
        foreach (var (was, now) in before.Zip(after))
        {
            if (was.Backend != now.Backend)
            {
                Assert.Fail($"a key had {was.Json.ToJsonString()}, which is {await StatusEntryAsync(controller, was.Backend)}, and has {now.Json.ToJsonString()}\n{Transcripts()}");
            }
        }
    }

    private async Task<JsonNode> StatusEntryAsync(Uri controller, string backend) =>
        (await _http.GetFromJsonAsync<JsonNode>(new Uri(controller, $"/pub/b/{backend}/status")))!;

    public string Transcripts()
    {
        lock (_programs)
        {
            return string.Join('\n', _programs.Select(p => $"--- {p.Name}\n{string.Join('\n', p.Lines.TakeLast(30))}"));
        }
    }

    public void Dispose()
    {
        _http.Dispose();
        _directory.Dispose();
    }

    public async Task DisposeAsync()
    {
        foreach (var program in Enumerable.Reverse(_programs))
        {
            if (!program.HasExited)
            {
                await program.StopAsync();
            }

            await program.DisposeAsync();
        }

        foreach (var relay in _relays)
        {
            await relay.DisposeAsync();
        }

        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        Dispose();
    }

    private async Task StartBalancerAsync()
    {
        var port = FreePort.Next();
        Balancer = new Uri($"http://127.0.0.1:{port}/");

        // One that is slow to answer a check, on a machine that has much to do, is there anyway.
        var servers = Nodes.Select(n => $"    server {n.Name} 127.0.0.1:{n.HttpPort} check inter 200ms fall 2 rise 1");
        await File.WriteAllTextAsync(
            _directory["haproxy.cfg"],
            $"""
            defaults
                mode http
                timeout connect 2s
                timeout client 60s
                timeout server 60s
                timeout check 30s
                option redispatch 1
                retries 3
            listen controllers
                bind 127.0.0.1:{port}
                balance roundrobin
                option httpchk GET /pub/health
                stats enable
                stats uri /balancer
            {string.Join('\n', servers)}

            """);
        var program = await RunningProgram.StartAsync("haproxy", ["-db", "-f", _directory["haproxy.cfg"]], workingDirectory: _directory.Path, name: "haproxy");
        lock (_programs)
        {
            _programs.Add(program);
        }

        await Eventually.SeenAsync(
            async cancellation =>
            {
                try
                {
                    using var response = await _http.GetAsync(new Uri(Balancer, "/pub/health"), cancellation);
                    return (int)response.StatusCode;
                }
                catch (HttpRequestException)
                {
                    return 0;
                }
            },
            status => status == 200,
            "the load balancer serves");
    }
}
