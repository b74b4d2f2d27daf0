using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Plane.Testing;

namespace Plane.Tests.Applications;

/// <summary>Controller, drone and proxy in one process, as a developer has them, and applications that run as processes of the drone.</summary>
internal sealed class ApplicationHost : IAsyncDisposable
{
    private readonly TempDirectory _directory;
    private readonly RunningProgram _program;
    private readonly Uri _controller;
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false });

    private ApplicationHost(TempDirectory directory, RunningProgram program, Uri controller, string cluster, string gateway)
    {
        _directory = directory;
        _program = program;
        _controller = controller;
        Cluster = cluster;
        Gateway = gateway;
    }

    public string Cluster { get; }

    /// <summary>The controller's address.</summary>
    public Uri Controller => _controller;

    /// <summary>Where more proxies connect to.</summary>
    public string Gateway { get; }

    /// <summary>A directory that is gone with the host.</summary>
    public TempDirectory Directory => _directory;

    /// <summary>Starts one.</summary>
    /// <param name="cluster">The cluster; by default <c>localhost</c> with a port.</param>
    public static async Task<ApplicationHost> StartAsync(string? cluster = null)
    {
        var directory = new TempDirectory();
        var (proxyPort, gatewayPort) = (FreePort.Next(), FreePort.Next());
        cluster ??= $"localhost:{proxyPort}";
        var program = await RunningProgram.StartDotnetAsync(
            Checkout.Cli,
            [
                "up", "--data", directory["data"], "--port", "0", "--proxy-port", $"{proxyPort}", "--gateway-port", $"{gatewayPort}", "--default-cluster", cluster,
                "--runtime", "process",
            ],
            name: "up",
            workingDirectory: directory.Path);
        var ready = await program.WaitForLineAsync(@"^ready controller .*url=(\S+)");
        await program.WaitForLineAsync("^ready drone ");
        await program.WaitForLineAsync("^ready proxy ");
        return new ApplicationHost(directory, program, new Uri(ready.Groups[1].Value), cluster, $"127.0.0.1:{gatewayPort}");
    }

    /// <summary>Starts an application, or finds the one of the key, as a user; waits until it answers.</summary>
    /// <param name="key">The key's name.</param>
    /// <param name="command">The command.</param>
    /// <param name="spawn">More of the spawn config; by default <c>browser</c>.</param>
    /// <param name="user">Whose session it is.</param>
    /// <param name="directory">Where it starts.</param>
    public async Task<ApplicationSession> OpenAsync(string key, string[] command, JsonObject? spawn = null, string user = "ada", string? directory = null)
    {
        var config = spawn ?? new JsonObject { ["browser"] = true };
        config["executable"] = new JsonObject
        {
            ["command"] = new JsonArray([.. command.Select(c => (JsonNode)c)]),
            ["working_directory"] = directory ?? _directory.Path,
            ["env"] = new JsonObject { ["HOME"] = _directory.Path, ["PATH"] = Environment.GetEnvironmentVariable("PATH"), ["DOTNET_NOLOGO"] = "1" },
        };
        using var response = await _http.PostAsJsonAsync(
            new Uri(_controller, "/ctrl/connect"), new JsonObject { ["key"] = new JsonObject { ["name"] = key }, ["user"] = user, ["spawn_config"] = config });
        var text = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, $"connect answered {(int)response.StatusCode}: {text}\n{_program.Transcript()}");
        var session = new ApplicationSession(JsonNode.Parse(text)!);
        await WaitForAsync(session, "ready");
        return session;
    }

    /// <summary>An application of <c>Tests/Applications/npm</c>.</summary>
    public async Task<ApplicationSession> OpenNodeAsync(string key, string script, JsonObject? spawn = null, string user = "ada")
    {
        var folder = await NpmApplications.SmallAsync();
        return await OpenAsync(key, ["node", Path.Combine(folder, script)], spawn, user, folder);
    }

    /// <summary>An application of <c>Tests/Applications/Web</c>.</summary>
    public Task<ApplicationSession> OpenWebAsync(string key, string application, JsonObject? spawn = null, string user = "ada") =>
        OpenAsync(key, [Checkout.Dotnet, Checkout.Applications, application], spawn, user);

    public Task EndAsync(ApplicationSession session) => PostAsync(session, "hard-terminate", "terminated");

    /// <summary>Revokes the tokens of one user.</summary>
    public async Task RevokeAsync(ApplicationSession session, string user)
    {
        var (code, lines) = await RunningProgram.RunAsync(
            Checkout.Dotnet, [Checkout.Cli, "revoke", session.Backend, "--user", user], environment: new Dictionary<string, string?> { ["PLANE_CONTROLLER"] = _controller.AbsoluteUri });
        Assert.True(code == 0, string.Join('\n', lines));
    }

    /// <summary>Saves a picture where one is wanted (<see cref="Browser.Screenshots"/>).</summary>
    public static async Task LookAsync(IPage page, string name)
    {
        if (Browser.Screenshots is { } directory)
        {
            await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(directory, $"application-{name}.png") });
        }
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();

        // A stop ends what runs: a kill would leave it to the guard.
        if (!_program.HasExited)
        {
            await _program.StopAsync();
        }

        await _program.DisposeAsync();
        _directory.Dispose();
    }

    private async Task PostAsync(ApplicationSession session, string what, string status)
    {
        using var response = await _http.PostAsync(new Uri(_controller, $"/ctrl/b/{session.Backend}/{what}"), null);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        await WaitForAsync(session, status);
    }

    private async Task WaitForAsync(ApplicationSession session, string status) => await Eventually.SeenAsync(
        async stop =>
        {
            var seen = (await _http.GetFromJsonAsync<JsonNode>(new Uri(_controller, $"/ctrl/b/{session.Backend}"), stop))!;
            Assert.True(status == "terminated" || (string?)seen["status"] != "terminated", seen.ToJsonString());
            return (string?)seen["status"];
        },
        seen => seen == status,
        $"{session.Backend} is {status}\n{_program.Transcript()}");
}

/// <summary>What a connect answered.</summary>
internal sealed class ApplicationSession(JsonNode json)
{
    public string Backend => (string)json["backend_id"]!;

    public string Token => (string)json["token"]!;

    /// <summary>With the token in its path.</summary>
    public Uri Url => new((string)json["url"]!);

    /// <summary>What a browser enters by.</summary>
    public string BrowserUrl => (string)json["browser_url"]!;

    /// <summary>The session's origin, as a browser shows it.</summary>
    public string Origin => new Uri(BrowserUrl).GetLeftPart(UriPartial.Authority);
}
