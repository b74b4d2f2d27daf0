using System.Text.Json;
using System.Text.Json.Nodes;
using Plane.Testing;

namespace Plane.Tests.EndToEnd;

/// <summary>The operator's commands against a running installation.</summary>
[Collection(InstallationTests.Name)]
public sealed class OperatorTests(Installation plane)
{
    [Fact]
    public async Task Connect_waits_until_the_backend_is_ready_and_prints_its_url()
    {
        var key = Key();
        var (code, lines) = await plane.PlaneAsync("connect", "--key", key, "--pool", Installation.Containers, "--image", await DockerImages.BackendAsync());
        Assert.True(code == 0, string.Join('\n', lines));
        Assert.Contains("status\tready", lines);
        var url = Assert.Single(lines, l => l.StartsWith("url\t", StringComparison.Ordinal))["url\t".Length..];
        Assert.StartsWith($"http://{plane.Cluster}/", url, StringComparison.Ordinal);
        var backend = lines.Single(l => l.StartsWith("backend\t", StringComparison.Ordinal))["backend\t".Length..];
        Assert.Contains(backend, await plane.Http.GetStringAsync(new Uri(url)), StringComparison.Ordinal);

        var list = (JsonArray)(await plane.PlaneJsonAsync("backends", "--key", key))["backends"]!;
        Assert.Equal(backend, (string?)Assert.Single(list)!["backend_id"]);
        (code, lines) = await plane.PlaneAsync("backend-status", backend);
        Assert.Equal((0, "ready"), (code, Assert.Single(lines)));
        (code, lines) = await plane.PlaneAsync("terminate", backend, "--hard");
        Assert.True(code == 0, string.Join('\n', lines));
        Assert.Contains("external", Assert.Single(lines), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("exit code 7", "sh", "-c", "echo the settings file is missing >&2; exit 7")]
    [InlineData("was not found", "no-such-program")]
    public async Task Connect_fails_for_a_backend_that_never_became_ready_and_says_why(string mentions, params string[] command)
    {
        var (code, lines) = await plane.PlaneAsync(
            "connect", "--key", Key(), "--pool", Installation.Processes, "--command", JsonSerializer.Serialize(command));
        Assert.True(code == 1, $"exit code {code}:\n{string.Join('\n', lines)}");
        Assert.Contains("status\tterminated", lines);
        Assert.Contains(lines, l => l.StartsWith("plane: the backend has ended and was never ready (", StringComparison.Ordinal) && l.Contains(mentions, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Connect_fails_for_a_backend_that_is_ended_while_it_starts()
    {
        var key = Key();
        await using var connect = await plane.StartAsync("connect", ["connect", "--key", key, "--controller", plane.Controller.AbsoluteUri,
            "--pool", Installation.Processes, "--command", "sleep 1000"]);
        var backend = await Eventually.SeenAsync(
            async _ => (string?)((JsonArray)(await plane.PlaneJsonAsync("backends", "--key", key))["backends"]!).FirstOrDefault()?["backend_id"], b => b is not null, "the backend is there");
        await plane.WaitForAsync(backend!, "waiting");
        await plane.TerminateAsync(backend!);
        Assert.Equal(1, await connect.WaitForExitAsync());
        Assert.Contains(connect.Lines, l => l.Contains("was never ready (external", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_no_drone_runs_is_refused_with_the_option_that_changes_it()
    {
        var (code, lines) = await plane.PlaneAsync("connect", "--key", Key(), "--pool", Installation.Containers, "--command", "sleep 1");
        Assert.Equal(1, code);
        Assert.Contains(lines, l => l.Contains("they run docker", StringComparison.Ordinal) && l.Contains("--runtime process", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData]
    [InlineData("--json")]
    public async Task A_cluster_that_is_not_known_is_said_to_be_so(params string[] more)
    {
        var (code, lines) = await plane.PlaneAsync(["cluster-state", "nowhere.example", .. more]);
        Assert.Equal(1, code);

        // On standard error: which of both outputs is read first is open.
        Assert.Contains(lines, l => l.Contains("no drone and no proxy is registered in cluster nowhere.example", StringComparison.Ordinal));
        Assert.Equal(more.Contains("--json"), lines.Contains("{\"drones\":[],\"proxies\":[]}"));
    }

    [Fact]
    public async Task A_drained_drone_takes_nothing_and_ends_what_it_has_when_told()
    {
        var extra = await plane.StartDroneAsync("dr-drained", "drained", "process");
        await extra.WaitForLineAsync("^ready drone ");
        string[] connect = ["connect", "--key", Key(), "--pool", "drained", "--command", $"{Checkout.Dotnet} {Checkout.Backend}"];
        var connected = await plane.PlaneJsonAsync(connect);
        var (code, lines) = await plane.PlaneAsync("drain", "dr-drained", "--cluster", plane.Cluster, "--terminate");
        Assert.True(code == 0, string.Join('\n', lines));
        await plane.WaitForAsync((string)connected["backend_id"]!, "terminated");

        (code, lines) = await plane.PlaneAsync(connect);
        Assert.Equal(1, code);
        Assert.Contains(lines, l => l.Contains("drain", StringComparison.Ordinal));
        Assert.Equal(0, (await plane.PlaneAsync("undrain", "dr-drained", "--cluster", plane.Cluster)).ExitCode);
        connected = await plane.PlaneJsonAsync(connect);
        await plane.TerminateAsync((string)connected["backend_id"]!);
    }

    [Theory]
    [InlineData(Installation.Containers)]
    [InlineData(Installation.Processes)]
    public async Task Logs_show_what_a_backend_wrote_while_it_runs_and_after_its_end(string pool)
    {
        var connected = await plane.ConnectAsync(await Installation.RequestAsync(Key(), pool, null, ("BACKEND_FLOOD_LINES", "20")));
        await plane.WaitForAsync(connected.Backend, "ready");

        var lines = await Eventually.SeenAsync(async _ => (await plane.PlaneAsync("logs", connected.Backend)).Lines, l => l.Count >= 21, "its lines are shown");
        Assert.Contains(lines, l => l.StartsWith("flood          0 xxx", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("listening on ", StringComparison.Ordinal));
        await plane.TerminateAsync(connected.Backend);
        var (code, after) = await plane.PlaneAsync("logs", connected.Backend, "--tail", "30", "--json");
        Assert.True(code == 0, string.Join('\n', after));
        Assert.Equal(lines, after.Select(l => (string)JsonNode.Parse(l)!["text"]!).Take(lines.Count));
        using var events = JsonDocument.Parse((await plane.PlaneAsync("events", "--json", "--limit", "1")).Lines[^1]);
        Assert.Equal(connected.Backend, events.RootElement.GetProperty("backend_id").GetString());
        Assert.Equal(1, (await plane.PlaneAsync("logs", "no-such-backend")).ExitCode);
    }

    [Fact]
    public async Task Top_shows_drones_and_what_backends_use()
    {
        var connected = await plane.ConnectAsync(await Installation.RequestAsync(Key(), Installation.Processes));
        await plane.WaitForAsync(connected.Backend, "ready");

        var lines = await Eventually.SeenAsync(
            async _ => (await plane.PlaneAsync("top", "--once", "--cluster", plane.Cluster)).Lines,
            l => l.Any(t => t.StartsWith(connected.Backend + "\t", StringComparison.Ordinal)),
            "the backend was read");
        Assert.Contains(lines, l => l.StartsWith("dr-processes\tready", StringComparison.Ordinal));
        Assert.Contains(plane.Cluster, (await plane.PlaneJsonAsync("top")).ToJsonString(), StringComparison.Ordinal);
        await plane.TerminateAsync(connected.Backend);
    }

    [Fact]
    public async Task The_clusters_state_names_drones_and_proxies()
    {
        var state = await plane.PlaneJsonAsync("cluster-state", plane.Cluster);
        var drones = (JsonArray)state["drones"]!;
        var docker = drones.Single(d => (string?)d!["node"]!["name"] == "dr-containers")!;
        Assert.True((bool)docker["ready"]!);
        Assert.False((bool)docker["draining"]!);
        Assert.Equal("docker", (string?)docker["kinds"]![0]);
        Assert.StartsWith("co-", (string?)docker["node"]!["controller"], StringComparison.Ordinal);
        Assert.Single((JsonArray)state["proxies"]!);
    }

    [Theory]
    [InlineData(2, "backend id", "backend", "NOT-VALID")]
    [InlineData(2, "--frobnicate", "status", "--frobnicate")]
    [InlineData(2, "--key", "connect")]
    [InlineData(2, "--env", "connect", "--image", "x", "--env", "nonsense")]
    [InlineData(2, "--auth", "connect", "--key", "k", "--auth", "{")]
    [InlineData(2, "--auth", "connect", "--key", "k", "--auth", "{\"a\":\"\\ud800\"}")]
    [InlineData(2, "--pool, --env", "connect", "--key", "k", "--pool", "p", "--env", "A=b")]
    [InlineData(2, "--id", "connect", "--key", "k", "--id", "my-own")]
    [InlineData(2, "--user", "revoke", "abc")]
    [InlineData(1, "no such backend", "backend", "abc")]
    [InlineData(1, "no such backend", "terminate", "abc")]
    [InlineData(1, "nothing holds", "connect", "--key", "nobody-holds-this")]
    [InlineData(1, "auth", "connect", "--key", "k", "--auth", "[1]")]
    [InlineData(1, "--image must be an image reference", "connect", "--key", "k", "--image", "x/UPPER:1")]
    public async Task A_wrong_command_says_what_is_wrong_and_exits_with_its_code(int expected, string mentions, params string[] arguments)
    {
        var (code, lines) = await plane.PlaneAsync(arguments);
        Assert.True(code == expected, $"exit code {code}:\n{string.Join('\n', lines)}");
        Assert.Contains(lines, l => l.Contains(mentions, StringComparison.OrdinalIgnoreCase));
        Assert.DoesNotContain(lines, l => l.Contains("   at ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_unreachable_controller_exits_with_3()
    {
        var (code, lines) = await plane.PlaneAsync("status", "--controller", $"http://127.0.0.1:{FreePort.Next()}");
        Assert.Equal(3, code);
        Assert.Contains("no controller answers", Assert.Single(lines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Health_asks_controller_and_proxy()
    {
        Assert.Equal(0, (await plane.PlaneAsync("health", new Uri(plane.Controller, "/pub/health").AbsoluteUri)).ExitCode);
        Assert.Equal(0, (await plane.PlaneAsync("health", new Uri(plane.Proxy, "/ready").AbsoluteUri)).ExitCode);
        Assert.Equal(3, (await plane.PlaneAsync("health", $"http://127.0.0.1:{FreePort.Next()}/ready")).ExitCode);
    }

    private static string Key() => $"k-{Guid.NewGuid():N}";
}
