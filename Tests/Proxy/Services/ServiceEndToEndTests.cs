using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Orleans;
using Plane.Hosting.Cluster;
using Plane.Hosting.Ready;
using Plane.Hosting;
using Plane.ProxyHost;
using Plane.Tests.Silo;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>Services on two proxies before a real controller: store, grains, change feed; only the drones are played.</summary>
public sealed class ServiceEndToEndTests : IAsyncLifetime, IDisposable
{
    private readonly Signer _signer = new(SigningAlgorithm.ES256);
    private readonly HashSet<BackendIdentity> _spawned = [];
    private readonly List<(WebApplication App, HttpClient Http)> _proxies = [];
    private Controller _controller = null!;

    public async Task InitializeAsync()
    {
        _controller = await Controller.StartAsync();
        await AddProxyAsync();
        await AddProxyAsync();
    }

    public async Task DisposeAsync()
    {
        foreach (var (app, http) in _proxies)
        {
            http.Dispose();
            await app.StopAsync();
            await app.DisposeAsync();
        }

        await _controller.DisposeAsync();
    }

    public void Dispose() => _signer.Dispose();

    [Fact]
    public async Task A_visitor_with_a_signed_token_wakes_a_key_that_no_application_connected_to()
    {
        var drone = await _controller.AddDroneAsync();
        await PutAsync("signed");
        await AddKeyAsync(_signer);
        await using var first = RawBackend.Answering();
        await using var second = RawBackend.Answering();
        var token = _signer.Sign(Signer.Claims("board"));

        var request = SendAsync(0, token);
        var spawn = await SpawnAsync(drone);
        Assert.Equal(("room", "board"), (spawn.Key.Name, spawn.Key.Namespace));
        await drone.ReportAsync(spawn.Identity, BackendStatus.Ready, address: first.Address);
        Assert.Equal(HttpStatusCode.OK, (await Eventually.EndsAsync(request, "the visitor is in")).StatusCode);
        Assert.Contains("\r\nx-verified-username: ada\r\n", Assert.Single(first.Requests), StringComparison.Ordinal);

        // The other proxy finds the same backend; its end is not the session's.
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(1, token)).StatusCode);
        await drone.ReportAsync(spawn.Identity, BackendStatus.Terminated);
        var again = SendUntilWokenAsync(1, token, second);
        var next = await SpawnAsync(drone);
        Assert.True(next.Identity.Token > spawn.Identity.Token);
        await drone.ReportAsync(next.Identity, BackendStatus.Ready, address: second.Address);
        await again;
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(0, token)).StatusCode);
    }

    [Fact]
    public async Task Requests_over_all_proxies_at_once_start_one_backend()
    {
        var drone = await _controller.AddDroneAsync();
        await PutAsync("public");
        await using var backend = RawBackend.Answering();
        var requests = Enumerable.Range(0, 200).Select(i => SendAsync(i % 2, null)).ToArray();
        var spawn = await SpawnAsync(drone);
        await drone.ReportAsync(spawn.Identity, BackendStatus.Ready, address: backend.Address);
        Assert.All(await Eventually.EndsAsync(Task.WhenAll(requests), "all are answered"), r => Assert.Equal(HttpStatusCode.OK, r.StatusCode));
        Assert.Single(await drone.ActionsAsync());
    }

    [Fact]
    public async Task A_wake_goes_past_a_drone_that_is_drained_and_a_full_cluster_says_so()
    {
        await PutAsync("public");
        using (var full = await SendAsync(0, null))
        {
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "NoDroneAvailable"), (full.StatusCode, await TestService.KindAsync(full)));
            Assert.NotNull(full.Headers.RetryAfter);
        }

        var drained = await _controller.AddDroneAsync();
        await drained.DrainAsync();
        var free = await _controller.AddDroneAsync();
        await using var backend = RawBackend.Answering();
        var woken = SendUntilWokenAsync(0, null, backend);
        var spawn = await SpawnAsync(free);
        await free.ReportAsync(spawn.Identity, BackendStatus.Ready, address: backend.Address);
        await woken;
        Assert.DoesNotContain(await drained.ActionsAsync(), a => a.Spawn is not null);
    }

    [Fact]
    public async Task A_crash_loop_backs_off_and_shows_the_visitor_nothing_of_the_output()
    {
        var drone = await _controller.AddDroneAsync();
        await PutAsync("public");
        HttpResponseMessage answer;
        while (true)
        {
            var request = SendAsync(0, null);
            var spawned = await Eventually.SeenAsync(
                async _ => request.IsCompleted ? await request : (object?)await NextSpawnAsync(drone), seen => seen is not null, "a start or an answer");
            if (spawned is HttpResponseMessage refused)
            {
                answer = refused;
                break;
            }

            var spawn = await SpawnAsync(drone);
            await drone.ReportFailureAsync(spawn.Identity, "exit 1", "password=hunter2");
            Assert.Equal("NeverReady", await TestService.KindAsync(await Eventually.EndsAsync(request, "the failure is answered")));
        }

        var text = await answer.Content.ReadAsStringAsync();
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "CrashLoop"), (answer.StatusCode, await TestService.KindAsync(answer)));
        Assert.NotNull(answer.Headers.RetryAfter);
        Assert.DoesNotContain("hunter2", text, StringComparison.Ordinal);
        Assert.DoesNotContain("exit 1", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_service_that_is_full_and_keys_that_are_removed_are_seen_at_the_next_request()
    {
        var drone = await _controller.AddDroneAsync();
        await PutAsync("signed", maxBackends: 1);
        await AddKeyAsync(_signer);
        await using var backend = RawBackend.Answering();
        var any = _signer.Sign(Signer.Claims("board", null).With("keys", "*"));
        var woken = SendUntilWokenAsync(0, any, backend);
        var spawn = await SpawnAsync(drone);
        await drone.ReportAsync(spawn.Identity, BackendStatus.Ready, address: backend.Address);
        await woken;
        using (var full = await SendAsync(0, any, "another"))
        {
            Assert.Equal("ServiceFull", await TestService.KindAsync(full));
        }

        using var next = new Signer(SigningAlgorithm.EdDSA);
        await AddKeyAsync(next);
        await Eventually.SeenAsync(async _ => (await SendAsync(0, next.Sign(Signer.Claims("board")))).StatusCode, s => s == HttpStatusCode.OK, "the new key opens");
        Assert.Equal(HttpStatusCode.OK, (await SendAsync(0, any)).StatusCode);
        (await _controller.SendAsync(HttpMethod.Delete, $"/ctrl/s/board/keys/{_signer.Kid}")).Expect(HttpStatusCode.OK);
        foreach (var proxy in new[] { 0, 1 })
        {
            await Eventually.SeenAsync(async _ => (await SendAsync(proxy, any)).StatusCode, s => s == HttpStatusCode.Unauthorized, "the removed key opens nothing");
            Assert.Equal(HttpStatusCode.OK, (await SendAsync(proxy, next.Sign(Signer.Claims("board")))).StatusCode);
        }
    }

    [Fact]
    public async Task A_hashed_label_is_known_once_its_url_was_asked_for()
    {
        var drone = await _controller.AddDroneAsync();
        await PutAsync("signed");
        await AddKeyAsync(_signer);
        var any = _signer.Sign(Signer.Claims("board", null).With("keys", "Raum*"));
        var label = ServiceLabel.Of(ServiceName.Parse("board"), new KeyConfig { Name = "Raum 1" });
        using (var unknown = await SendAsync(0, any, label))
        {
            Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        }

        var url = (string)(await _controller.GetAsync("/ctrl/s/board/url?key=Raum%201")).Expect(HttpStatusCode.OK).Json!["url"]!;
        Assert.StartsWith($"http://{label}--board.", url, StringComparison.Ordinal);
        var others = _signer.Sign(Signer.Claims("board", null).With("keys", "Saal*"));
        using (var refused = await SendAsync(1, others, label))
        {
            Assert.Equal("TokenForbidden", await TestService.KindAsync(refused));
        }

        Assert.DoesNotContain(await drone.ActionsAsync(), a => a.Spawn is not null);
        await using var backend = RawBackend.Answering();
        var woken = SendAsync(1, any, label);
        var spawn = await SpawnAsync(drone);
        Assert.Equal("Raum 1", spawn.Key.Name);
        await drone.ReportAsync(spawn.Identity, BackendStatus.Ready, address: backend.Address);
        Assert.Equal(HttpStatusCode.OK, (await Eventually.EndsAsync(woken, "the visitor is in")).StatusCode);
    }

    private async Task AddProxyAsync()
    {
        var app = ProxyRole.Build(
            new ProxyOptions { Cluster = Controller.Cluster, Host = "127.0.0.1", Port = 0, Drain = TimeSpan.FromSeconds(1), NegativeAnswer = TimeSpan.FromMilliseconds(50) },
            builder => builder.Services
                .AddSingleton(new ClusterConnection(_controller.Services.GetRequiredService<IClusterClient>()))
                .Replace(ServiceDescriptor.Singleton<IReadyLine>(new ReadyLine(TextWriter.Null))),
            builder => builder.Logging.ClearProviders());
        await app.StartAsync();
        _proxies.Add((app, new HttpClient(new SocketsHttpHandler { UseProxy = false, UseCookies = false, AllowAutoRedirect = false }) { BaseAddress = app.BoundAddress(), Timeout = Eventually.DefaultDeadline }));
        var status = app.Services.GetRequiredService<ProxyStatus>();
        await Eventually.SeenAsync(() => status.NotReadyBecause, why => why is null, "the proxy is ready");
    }

    private async Task PutAsync(string access, int? maxBackends = null)
    {
        var body = new JsonObject { ["access"] = access, ["spawn_config"] = new JsonObject { ["executable"] = new JsonObject { ["image"] = "simulated" } } };
        if (maxBackends is { } most)
        {
            body["max_backends"] = most;
        }

        (await _controller.SendAsync(HttpMethod.Put, "/ctrl/s/board", new StringContent(body.ToJsonString(), System.Text.Encoding.UTF8, "application/json"))).Expect(HttpStatusCode.Created);
    }

    private async Task AddKeyAsync(Signer signer)
    {
        var body = new JsonObject { ["kid"] = signer.Kid, ["alg"] = signer.Alg.ToString(), ["public_key"] = JsonNode.Parse(signer.Jwk) };
        (await _controller.PostAsync("/ctrl/s/board/keys", body)).Expect(HttpStatusCode.Created);
    }

    private async Task<HttpResponseMessage> SendAsync(int proxy, string? token, string label = "room")
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/") { Headers = { Host = $"{label}--board.{Controller.Cluster}" } };
        if (token is not null)
        {
            request.Headers.TryAddWithoutValidation("Cookie", $"plane-session-9090={token}");
        }

        return await _proxies[proxy].Http.SendAsync(request);
    }

    /// <summary>Asks until the backend has answered: a route that has just ended, or a refusal of a moment ago, may stand for some milliseconds.</summary>
    private async Task SendUntilWokenAsync(int proxy, string? token, RawBackend backend) => await Eventually.SeenAsync(
        async _ =>
        {
            using var response = await SendAsync(proxy, token);
            return backend.Requests.Count;
        },
        count => count > 0,
        "the backend is asked");

    /// <summary>The next backend that the drone is to start. Actions of backends that have ended are gone.</summary>
    private async Task<(BackendIdentity Identity, KeyConfig Key)> SpawnAsync(DroneDouble drone)
    {
        var action = await Eventually.SeenAsync(async _ => await NextSpawnAsync(drone), next => next is not null, "another backend is to be started");
        _spawned.Add(action!.Identity);
        return (action.Identity, action.Spawn!.Key);
    }

    private async Task<DroneAction?> NextSpawnAsync(DroneDouble drone) => (await drone.ActionsAsync()).FirstOrDefault(a => a.Spawn is not null && !_spawned.Contains(a.Identity));
}
