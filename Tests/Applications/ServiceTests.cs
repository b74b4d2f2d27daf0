using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text.Json.Nodes;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Playwright;
using Plane.Tests.Applications.Web;
using Plane.Testing;

namespace Plane.Tests.Applications;

/// <summary>Services as their users have them: real backends that sleep, and what wakes them.</summary>
public sealed class ServiceTests : IAsyncLifetime, IDisposable
{
    private readonly Signer _signer = new(SigningAlgorithm.EdDSA, "app-1");
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false }) { Timeout = Eventually.DefaultDeadline };
    private ApplicationHost _host = null!;

    public async Task InitializeAsync() => _host = await ApplicationHost.StartAsync();

    public async Task DisposeAsync()
    {
        await _host.DisposeAsync();
        Dispose();
    }

    public void Dispose()
    {
        _http.Dispose();
        _signer.Dispose();
    }

    [Fact]
    public async Task In_a_browser_the_application_takes_the_place_of_the_page_that_says_it_starts()
    {
        await PutAsync("slow", DockerImages.BackendCommand("--start-delay-ms=4000"));
        foreach (var (scheme, key) in new[] { (ColorScheme.Light, "light"), (ColorScheme.Dark, "dark") })
        {
            var context = await Browser.NewContextAsync(new BrowserNewContextOptions { ColorScheme = scheme });
            await using var closing = context;
            var page = await context.NewPageAsync();
            var failed = new List<string>();
            page.Console += (_, message) => failed.AddRange(message.Type == "error" && !message.Text.Contains("503", StringComparison.Ordinal) ? [message.Text] : []);

            await page.GotoAsync($"{Url("slow", key)}?plane_token={Token("slow", key)}", new PageGotoOptions { WaitUntil = WaitUntilState.Commit });
            await page.WaitForSelectorAsync("h1");
            Assert.Equal("Starting…", await page.TextContentAsync("#title"));
            Assert.Equal(Url("slow", key), page.Url);
            await ApplicationHost.LookAsync(page, $"starting-{key}");
            await Eventually.SeenAsync(async _ => await TextAsync(page), text => text.StartsWith("testbackend ", StringComparison.Ordinal), "the application is shown");
            Assert.Equal(Url("slow", key), page.Url);
            Assert.Empty(failed);
        }
    }

    [Fact]
    public async Task Without_script_the_page_loads_again_by_itself()
    {
        await PutAsync("plain", DockerImages.BackendCommand("--start-delay-ms=3000"));
        var context = await Browser.NewContextAsync(new BrowserNewContextOptions { JavaScriptEnabled = false });
        await using var closing = context;
        var page = await context.NewPageAsync();
        await page.GotoAsync($"{Url("plain", "room")}?plane_token={Token("plain", "room")}", new PageGotoOptions { WaitUntil = WaitUntilState.Commit });
        await Eventually.SeenAsync(async _ => await page.ContentAsync(), html => html.Contains("testbackend ", StringComparison.Ordinal), "the application is shown");
    }

    [Fact]
    public async Task A_web_socket_events_and_a_request_each_wake_a_session_and_its_end_is_not_the_sessions()
    {
        await PutAsync("any", DockerImages.BackendCommand());
        using (var socket = new ClientWebSocket())
        {
            socket.Options.SetRequestHeader("Authorization", $"Bearer {Token("any", "ws")}");
            socket.Options.SetRequestHeader("Host", new Uri(Url("any", "ws")).Authority);
            await socket.ConnectAsync(new Uri($"ws://127.0.0.1:{Port}/ws"), CancellationToken.None);
            await socket.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, CancellationToken.None);
            Assert.Equal(5, (await Eventually.EndsAsync(socket.ReceiveAsync(new byte[16], CancellationToken.None), "the echo")).Count);
        }

        using (var events = await SendAsync("any", "sse", "/sse?n=2&ms=1"))
        {
            Assert.Contains("data: event 1", await events.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        var first = await BodyAsync("any", "room");
        Assert.Equal(first, await BodyAsync("any", "room"));
        using (var ended = await _http.PostAsync(new Uri(_host.Controller, $"/ctrl/b/{first.Split(' ')[1].Trim()}/hard-terminate"), null))
        {
            Assert.Equal(HttpStatusCode.OK, ended.StatusCode);
        }

        var second = await Eventually.SeenAsync(
            async stop =>
            {
                using var response = await SendAsync("any", "room", "/");
                return response.IsSuccessStatusCode ? await response.Content.ReadAsStringAsync(stop) : first;
            },
            body => body != first,
            "another backend answers");
        Assert.StartsWith("testbackend ", second, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_gRPC_call_wakes_its_service()
    {
        await PutAsync("grpc", [Checkout.Dotnet, Checkout.Applications, "grpc"], new JsonObject { ["protocol"] = "h2c" });
        var port = FreePort.Next();
        await using var proxy = await RunningProgram.StartDotnetAsync(
            Checkout.Cli, ["proxy", "--gateway", _host.Gateway, "--cluster", _host.Cluster, "--host", "127.0.0.1", "--prior-knowledge-http2", "--port", $"{port}"], name: "proxy-h2c");
        await proxy.WaitForLineAsync("^ready proxy ");
        using var channel = GrpcChannel.ForAddress(Url("grpc", "room"), new GrpcChannelOptions
        {
            DisposeHttpClient = true,
            HttpHandler = new SocketsHttpHandler
            {
                UseProxy = false,
                ConnectCallback = async (_, stop) =>
                {
                    var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                    await socket.ConnectAsync(IPAddress.Loopback, port, stop);
                    return new NetworkStream(socket, ownsSocket: true);
                },
            },
        });
        var client = new Greeter.GreeterClient(channel);
        using (var call = client.GreetAsync(new Greeting { Text = "you" }, new Metadata { { "authorization", $"Bearer {Token("grpc", "room")}" } }))
        {
            Assert.Equal("hello you from ada", (await call.ResponseAsync).Text);
        }

        var refused = await Assert.ThrowsAsync<RpcException>(async () => await client.GreetAsync(new Greeting { Text = "you" }));
        Assert.Equal(StatusCode.Unauthenticated, refused.StatusCode);
        await proxy.StopAsync();
    }

    private int Port => int.Parse(_host.Cluster.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture);

    private string Url(string service, string key) => $"http://{key}--{service}.{_host.Cluster}/";

    private string Token(string service, string key) => _signer.Sign(Signer.Claims(service, key));

    private async Task<string> BodyAsync(string service, string key)
    {
        using var response = await SendAsync(service, key, "/");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return await response.Content.ReadAsStringAsync();
    }

    private async Task<HttpResponseMessage> SendAsync(string service, string key, string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"http://127.0.0.1:{Port}{path}")) { Headers = { Host = new Uri(Url(service, key)).Authority } };
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {Token(service, key)}");
        return await _http.SendAsync(request);
    }

    private async Task PutAsync(string name, string[] command, JsonObject? spawn = null)
    {
        var config = spawn ?? [];
        config["executable"] = new JsonObject
        {
            ["command"] = new JsonArray([.. command.Select(c => (JsonNode)c)]),
            ["working_directory"] = _host.Directory.Path,
            ["env"] = new JsonObject { ["HOME"] = _host.Directory.Path, ["PATH"] = Environment.GetEnvironmentVariable("PATH"), ["DOTNET_NOLOGO"] = "1" },
        };
        using var put = await _http.PutAsJsonAsync(new Uri(_host.Controller, $"/ctrl/s/{name}"), new JsonObject { ["spawn_config"] = config, ["access"] = "signed" });
        Assert.True(put.StatusCode == HttpStatusCode.Created, await put.Content.ReadAsStringAsync());
        using var key = await _http.PostAsJsonAsync(
            new Uri(_host.Controller, $"/ctrl/s/{name}/keys"), new JsonObject { ["kid"] = _signer.Kid, ["alg"] = "EdDSA", ["public_key"] = JsonNode.Parse(_signer.Jwk) });
        Assert.True(key.StatusCode == HttpStatusCode.Created, await key.Content.ReadAsStringAsync());
    }

    // Between two documents there is none to read.
    private static async Task<string> TextAsync(IPage page)
    {
        try
        {
            return await page.EvaluateAsync<string>("document.body ? document.body.innerText : ''");
        }
        catch (PlaywrightException)
        {
            return "";
        }
    }
}
