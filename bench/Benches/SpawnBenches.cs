using System.Text.Json.Nodes;
using Plane.Bench.Roles;
using Plane.Testing;

namespace Plane.Bench.Benches;

/// <summary>From a connect to the first byte through the proxy, a container each time. Against <c>docker run</c> of the same image until its first byte.</summary>
internal sealed class SpawnBench : IBench
{
    public string Name => "spawn";

    public async Task RunAsync(BenchContext context, Report report)
    {
        await using var setting = await SpawnSetting.StartAsync();

        // One at a time, as many as fit in a round.
        async Task<double> MedianAsync(Func<Task<double>> once)
        {
            var times = new List<double>();
            var begun = TimeProvider.System.GetTimestamp();
            do
            {
                times.Add(await once());
                await setting.ClearAsync();
            }
            while (TimeProvider.System.GetElapsedTime(begun) < context.Round);

            return times.Order().ElementAt(times.Count / 2);
        }

        var measured = await context.InTurnsAsync(
            new Side("plane", () => MedianAsync(setting.SpawnAsync)), new Side("docker run", () => MedianAsync(setting.DockerRunAsync)));
        report.Ratio("spawn, to the first byte", "ms", measured[0], measured[1], 1.15, atLeast: false);
    }
}

/// <summary>Fifty keys at once, until the last has answered. Against fifty <c>docker run</c> at once.</summary>
internal sealed class SpawnBurstBench : IBench
{
    private const int Burst = 50;

    public string Name => "spawn-burst";

    public async Task RunAsync(BenchContext context, Report report)
    {
        await using var setting = await SpawnSetting.StartAsync();
        async Task<double> AllAsync(Func<Task<double>> once)
        {
            var begun = TimeProvider.System.GetTimestamp();
            await Task.WhenAll(Enumerable.Range(0, Burst).Select(_ => once()));
            var seconds = TimeProvider.System.GetElapsedTime(begun).TotalSeconds;
            await setting.ClearAsync();
            return seconds;
        }

        var measured = await context.InTurnsAsync(
            new Side("plane", () => AllAsync(setting.SpawnAsync)), new Side("docker run", () => AllAsync(setting.DockerRunAsync)));
        report.Ratio($"spawn, {Burst} at once, to the last first byte", "s", measured[0], measured[1], 1.15, atLeast: false);
    }
}

/// <summary>A controller, a proxy and a drone that runs containers, each a process of its own, and the same engine without them.</summary>
internal sealed class SpawnSetting : IAsyncDisposable
{
    private const string Service = "bench";

    private static readonly TimeSpan s_between = TimeSpan.FromMilliseconds(2);

    private readonly Installation _installation;
    private readonly TempDirectory _directory;
    private readonly RunningProgram _drone;
    private readonly string _image;
    private readonly string _label = $"plane-bench={Checkout.Run}";
    private readonly List<string> _backends = [];
    private readonly Lock _lock = new();
    private int _keys;
    private int _coldStarts;

    private SpawnSetting(Installation installation, TempDirectory directory, RunningProgram drone, string image)
    {
        _installation = installation;
        _directory = directory;
        _drone = drone;
        _image = image;
    }

    public static async Task<SpawnSetting> StartAsync()
    {
        var (code, lines) = await RunningProgram.RunAsync("/bin/bash", [Checkout.File("Tests/Support/busybox-image.sh")], deadline: TimeSpan.FromMinutes(2));
        if (code != 0)
        {
            throw new InvalidOperationException(string.Join('\n', lines));
        }

        var installation = await Installation.StartAsync();
        var directory = new TempDirectory();
        await installation.AddProxyAsync();
        var drone = await RunningProgram.StartDotnetAsync(
            Checkout.Cli,
            [
                "drone", "--gateway", installation.Gateway, "--cluster", installation.Cluster.Value, "--state", directory["drone.db"], "--run-dir", directory["run"],
                "--runtime", "docker", "--docker-host", DockerEngine.Host,
                "--end-backends-on-stop", "--log-level", "warning",
            ],
            name: "drone");
        await drone.WaitForLineAsync("^ready drone ");
        return new SpawnSetting(installation, directory, drone, lines[^1]);
    }

    /// <summary>A key that nobody holds: milliseconds from the connect to the first byte through the proxy.</summary>
    public Task<double> SpawnAsync()
    {
        var body = Installation.Body($"spawn-{Interlocked.Increment(ref _keys)}");
        body["spawn_config"]!["executable"]!["image"] = _image;
        return ConnectAsync(body);
    }

    /// <summary>The same, by the service that keeps warm backends.</summary>
    public Task<double> ClaimAsync() =>
        ConnectAsync(new JsonObject { ["key"] = new JsonObject { ["name"] = $"warm-{Interlocked.Increment(ref _keys)}" }, ["service"] = Service });

    /// <summary>How many connects by the service had to start a backend.</summary>
    public int ColdStarts => Volatile.Read(ref _coldStarts);

    /// <summary>Has the service keep so many warm backends, and waits until they are.</summary>
    public async Task WarmAsync(int count)
    {
        // A script of the server's takes the claim.
        const string Command = """
            mkdir -p /www/cgi-bin; printf '#!/bin/sh\nprintf "Status: 204 No Content\\r\\n\\r\\n"\n' > /www/cgi-bin/claim; chmod +x /www/cgi-bin/claim; exec httpd -f -p "$PORT" -h /www
            """;
        var body = new JsonObject
        {
            ["spawn_config"] = new JsonObject
            {
                ["executable"] = new JsonObject { ["image"] = _image, ["pull_policy"] = "Never", ["command"] = new JsonArray("/bin/sh", "-c", Command) },
            },
            ["access"] = "public",
            ["warm"] = new JsonObject { ["count"] = count, ["claim_path"] = "/cgi-bin/claim" },
        };
        using var put = await _installation.Http.PutAsJsonAsync(new Uri(_installation.Url, $"ctrl/s/{Service}"), body);
        if (!put.IsSuccessStatusCode)
        {
            throw new InvalidOperationException($"service: {(int)put.StatusCode} {await put.Content.ReadAsStringAsync()}");
        }

        await FullAsync(count);
    }

    /// <summary>Waits until the pool is full again.</summary>
    public Task FullAsync(int count) => Eventually.SeenAsync(
        async token =>
        {
            var warm = JsonNode.Parse(await _installation.Http.GetStringAsync(new Uri(_installation.Url, $"ctrl/s/{Service}"), token))!["warm"]!;
            return ((int)warm["ready"]!, (int)warm["starting"]!);
        },
        warm => warm == (count, 0),
        "the pool is full",
        TimeSpan.FromMinutes(5));

    /// <summary>Ends the service with all that it started.</summary>
    public async Task DropServiceAsync()
    {
        using var response = await _installation.Http.DeleteAsync(new Uri(_installation.Url, $"ctrl/s/{Service}"));
        response.EnsureSuccessStatusCode();
    }

    private async Task<double> ConnectAsync(JsonObject body)
    {
        var begun = TimeProvider.System.GetTimestamp();
        using var response = await _installation.Http.PostAsJsonAsync(new Uri(_installation.Url, "ctrl/connect"), body);
        var text = await response.Content.ReadAsStringAsync();
        if (!response.IsSuccessStatusCode)
        {
            throw new InvalidOperationException($"connect: {(int)response.StatusCode} {text}");
        }

        var answer = JsonNode.Parse(text)!;
        lock (_lock)
        {
            _backends.Add((string)answer["backend_id"]!);
            _coldStarts += body.ContainsKey("service") && (bool)answer["spawned"]! ? 1 : 0;
        }

        await FirstByteAsync(new Uri((string)answer["url"]!));
        return TimeProvider.System.GetElapsedTime(begun).TotalMilliseconds;
    }

    /// <summary>What one would do without Plane: milliseconds from the command to the first byte.</summary>
    public async Task<double> DockerRunAsync()
    {
        var port = FreePort.Next();
        var begun = TimeProvider.System.GetTimestamp();
        var (code, lines) = await RunningProgram.RunAsync(
            "docker", ["run", "--detach", "--label", _label, "--publish", $"127.0.0.1:{port}:8080", _image], deadline: TimeSpan.FromMinutes(2));
        if (code != 0)
        {
            throw new InvalidOperationException(string.Join('\n', lines));
        }

        await FirstByteAsync(new Uri($"http://127.0.0.1:{port}/"));
        return TimeProvider.System.GetElapsedTime(begun).TotalMilliseconds;
    }

    /// <summary>Ends what was started, outside of what is measured.</summary>
    public async Task ClearAsync()
    {
        string[] ended;
        lock (_lock)
        {
            ended = [.. _backends];
            _backends.Clear();
        }

        foreach (var backend in ended)
        {
            using var response = await _installation.Http.PostAsync(new Uri(_installation.Url, $"ctrl/b/{backend}/hard-terminate"), null);
            response.EnsureSuccessStatusCode();
        }

        foreach (var backend in ended)
        {
            await Eventually.SeenAsync(
                async token => (string?)JsonNode.Parse(await _installation.Http.GetStringAsync(new Uri(_installation.Url, $"pub/b/{backend}/status"), token))!["status"],
                status => status == "terminated",
                $"{backend} is terminated");
        }

        await RemoveAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await RemoveAsync();
        await _drone.StopAsync();
        await _drone.DisposeAsync();
        await _installation.DisposeAsync();
        _directory.Dispose();
    }

    private async Task RemoveAsync() => await (await DockerEngine.SharedAsync()).RemoveAllAsync(_label);

    /// <summary>Asks until it is answered, as often for both sides.</summary>
    private async Task FirstByteAsync(Uri url)
    {
        var begun = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                using var response = await _installation.Http.GetAsync(url, HttpCompletionOption.ResponseHeadersRead);
                if (response.IsSuccessStatusCode)
                {
                    return;
                }
            }
            catch (HttpRequestException) when (TimeProvider.System.GetElapsedTime(begun) < TimeSpan.FromMinutes(1))
            {
                // It does not listen yet.
            }

            await Task.Delay(s_between);
        }
    }
}
