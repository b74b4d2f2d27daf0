using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Plane.Tests.EndToEnd;
using Plane.Testing;

namespace Plane.Tests.Telemetry;

/// <summary>
/// Controller on PostgreSQL, drone and three proxies, each a process of its own that sends its traces to one collector; one of the proxies takes clients' traces on, one doesn't, one exports
/// nothing. A new key is connected to, its backend is asked over each proxy, and all are stopped: what was recorded must have arrived by then.
/// </summary>
public sealed class TracedInstallation : IAsyncLifetime, IDisposable
{
    public const string ControlToken = "control-token-0123456789";
    public const string ClientTrace = "0af7651916cd43dd8448eb211c80319c";
    public const string ClientSpan = "b7ad6b7169203331";
    public const string Hostile = "1bf7651916cd43dd8448eb211c80319d";

    private readonly TempDirectory _directory = new();
    private readonly List<RunningProgram> _programs = [];
    private TestDatabase? _database;
    private string _cluster = "";

    /// <summary>All that arrived until every program had exited.</summary>
    public IReadOnlyList<ExportedSpan> Spans { get; private set; } = [];

    /// <summary>The same as it came over the wire.</summary>
    public string Wire { get; private set; } = "";

    public JsonNode Connected { get; private set; } = null!;

    /// <summary>The headers that the backend saw.</summary>
    public JsonNode OverAccepting { get; private set; } = null!;

    public JsonNode OverDefault { get; private set; } = null!;

    public JsonNode OverSilent { get; private set; } = null!;

    public List<JsonNode> OfHostile { get; } = [];

    public static string Parent(string trace = ClientTrace) => $"00-{trace}-{ClientSpan}-01";

    public string Of(string property) => (string)Connected[property]!;

    public async Task InitializeAsync()
    {
        await using var collector = await OtlpReceiver.StartAsync();

        // Nothing is sent before the stop.
        var traced = collector.Environment(("OTEL_BSP_SCHEDULE_DELAY", "3600000"), ("OTEL_METRIC_EXPORT_INTERVAL", "3600000"), ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=traces"));
        _database = await (await PostgresServer.SharedAsync()).CreateDatabaseAsync();
        _cluster = $"localhost:{FreePort.Next()}";
        await File.WriteAllTextAsync(_directory["ctrl-token"], ControlToken);
        var controller = await StartAsync(
            traced, "controller", "--port", "0", "--gateway-port", "0", "--silo-port", "0", "--default-cluster", _cluster, "--ctrl-token-file", _directory["ctrl-token"], "--db", _database.Url);
        var ready = await controller.WaitForLineAsync(@"^ready controller .*url=(\S+).* gateway=(\S+)");
        var (api, gateway) = (new Uri(ready.Groups[1].Value), ready.Groups[2].Value);
        var accepting = await ProxyAsync(traced, gateway, "--accept-trace-context", "true");
        var byDefault = await ProxyAsync(traced, gateway);
        var silent = await ProxyAsync([], gateway);
        var first = FreePort.Range(20);
        var drone = await StartAsync(
            traced, "drone", "--gateway", gateway, "--cluster", _cluster, "--pool", Installation.Containers, "--state", _directory["drone.db"], "--run-dir", _directory["run"],
            "--port-range", $"{first}-{first + 19}", "--end-backends-on-stop");
        await drone.WaitForLineAsync("^ready drone ");

        using var http = new HttpClient(new SocketsHttpHandler { ActivityHeadersPropagator = null });
        Connected = await AskAsync(http, HttpMethod.Post, new Uri(api, "/ctrl/connect"), await Installation.RequestAsync("traced"), ("traceparent", Parent()), ("authorization", $"Bearer {ControlToken}"));
        var path = new Uri(Of("url")).AbsolutePath + "echo/deep?password=hidden-in-query";
        OverAccepting = (await AskAsync(http, HttpMethod.Get, new Uri(accepting, path), null, ("traceparent", Parent()), ("tracestate", "vendor=1"), ("baggage", "a=b")))["headers"]!;
        OverDefault = (await AskAsync(http, HttpMethod.Get, new Uri(byDefault, path), null, ("traceparent", Parent(Hostile)), ("tracestate", "vendor=1")))["headers"]!;
        OverSilent = (await AskAsync(http, HttpMethod.Get, new Uri(silent, path), null, ("traceparent", Parent()), ("tracestate", "vendor=1")))["headers"]!;
        foreach (var headers in (ReadOnlyMemory<(string, string)>[])
            [
                new[] { ("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01") },
                new[] { ("traceparent", new string('f', 8_000)) },
                new[] { ("traceparent", $"00-{ClientTrace}-{ClientSpan}-01-more") },
                new[] { ("traceparent", $"ff-{ClientTrace}-{ClientSpan}-01") },
                new[] { ("traceparent", Parent()), ("tracestate", string.Join(',', Enumerable.Range(0, 900).Select(i => $"v{i}=x"))), ("baggage", "k=" + new string('b', 8_000)) },
                new[] { ("user-agent", new string('u', 8_000)) },
            ])
        {
            OfHostile.Add((await AskAsync(http, HttpMethod.Get, new Uri(accepting, path), null, headers.ToArray()))["headers"]!);
        }

        foreach (var program in Enumerable.Reverse(_programs))
        {
            Assert.True(await program.StopAsync() == 0, program.Transcript());
        }

        Spans = collector.Spans;
        Wire = collector.Text;
    }

    public async Task DisposeAsync()
    {
        foreach (var program in Enumerable.Reverse(_programs))
        {
            await program.DisposeAsync();
        }

        if (_database is not null)
        {
            await _database.DisposeAsync();
        }

        Dispose();
    }

    public void Dispose() => _directory.Dispose();

    private async Task<Uri> ProxyAsync(Dictionary<string, string?> environment, string gateway, params string[] more)
    {
        var proxy = await StartAsync(environment, ["proxy", "--gateway", gateway, "--cluster", _cluster, "--host", "127.0.0.1", "--port", "0", .. more]);
        return new Uri((await proxy.WaitForLineAsync(@"^ready proxy url=(\S+)")).Groups[1].Value);
    }

    private async Task<RunningProgram> StartAsync(Dictionary<string, string?> environment, params string[] arguments)
    {
        var program = await RunningProgram.StartDotnetAsync(Checkout.Cli, arguments, environment: environment, name: arguments[0], workingDirectory: _directory.Path);
        _programs.Add(program);
        return program;
    }

    private async Task<JsonNode> AskAsync(HttpClient http, HttpMethod method, Uri url, JsonNode? body, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, url) { Content = body is null ? null : JsonContent.Create(body) };
        if (body is null)
        {
            request.Headers.Host = _cluster;
        }

        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        using var answer = await http.SendAsync(request);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, $"{method} {url}: {(int)answer.StatusCode} {text}\n{string.Join('\n', _programs.Select(p => p.Transcript()))}");
        return JsonNode.Parse(text)!;
    }
}
