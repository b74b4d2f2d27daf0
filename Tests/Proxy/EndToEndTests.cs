using System.Net;
using System.Net.WebSockets;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Orleans;
using Plane.Hosting.Cluster;
using Plane.Hosting.Ready;
using Plane.Hosting;
using Plane.ProxyHost;
using Plane.ProxyHost.Routes;
using Plane.Tests.Silo;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>The proxy before a real controller: store, grains, change feed; only the drone is played.</summary>
public sealed class EndToEndTests : IAsyncLifetime, IDisposable
{
    private Controller _controller = null!;
    private Microsoft.AspNetCore.Builder.WebApplication _proxy = null!;
    private HttpClient _http = null!;
    private IDroneGrain _drone = null!;
    private DroneSession _session = null!;
    private long _sequence;

    public async Task InitializeAsync()
    {
        _controller = await Controller.StartAsync();
        var options = new ProxyOptions { Cluster = Controller.Cluster, Host = "127.0.0.1", Port = 0, Drain = TimeSpan.FromSeconds(1) };
        _proxy = ProxyRole.Build(
            options,
            builder => builder.Services
                .AddSingleton(new ClusterConnection(_controller.Services.GetRequiredService<IClusterClient>()))
                .Replace(ServiceDescriptor.Singleton<IReadyLine>(new ReadyLine(TextWriter.Null))),
            builder => builder.Logging.ClearProviders());
        await _proxy.StartAsync();
        _http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = _proxy.BoundAddress() };
        _http.DefaultRequestHeaders.Host = Controller.Cluster;
        await RegisterAsync();
        var status = _proxy.Services.GetRequiredService<ProxyStatus>();
        await Eventually.SeenAsync(() => status.NotReadyBecause, why => why is null, "the proxy is ready");
    }

    public void Dispose() => _http.Dispose();

    public async Task DisposeAsync()
    {
        await _proxy.StopAsync();
        await _proxy.DisposeAsync();
        await _controller.DisposeAsync();
    }

    [Fact]
    public async Task A_connect_reaches_its_backend_once_it_is_ready_and_its_route_is_kept()
    {
        await using var backend = RawBackend.Answering();
        var connected = await ConnectAsync("alice");
        var waiting = _http.GetStringAsync(Path(connected));
        await ReportAsync(connected, BackendStatus.Ready, backend.Address);
        Assert.Equal("ok", await Eventually.EndsAsync(waiting, "the request that waited is answered"));
        Assert.Contains("x-verified-username: alice", Assert.Single(backend.Requests), StringComparison.Ordinal);

        Assert.Equal("ok", await _http.GetStringAsync(Path(connected)));
        Assert.Equal(1, _proxy.Services.GetRequiredService<RouteCache>().Count);
    }

    [Fact]
    public async Task A_revoked_users_web_socket_is_cut_and_another_users_stays()
    {
        await using var backend = await StreamingTests.EchoAsync();
        var alice = await ConnectAsync("alice", key: "room");
        await ReportAsync(alice, BackendStatus.Ready, backend.Address);
        var bob = await ConnectAsync("bob", key: "room");
        using var first = await OpenAsync(alice);
        using var second = await OpenAsync(bob);
        var cut = first.ReceiveAsync(new byte[1], CancellationToken.None);

        var revoke = new JsonObject { ["backend_id"] = Backend(alice), ["user"] = "alice" };
        (await _controller.PostAsync("/ctrl/b/revoke", revoke)).Expect(HttpStatusCode.OK);

        await Assert.ThrowsAsync<WebSocketException>(() => Eventually.EndsAsync(cut, "the socket is cut"));
        Assert.Equal(HttpStatusCode.Gone, (await _http.GetAsync(Path(alice))).StatusCode);
        await second.SendAsync("x"u8.ToArray(), WebSocketMessageType.Text, true, CancellationToken.None);
        Assert.Equal(1, (await Eventually.EndsAsync(second.ReceiveAsync(new byte[1], CancellationToken.None), "the echo")).Count);
    }

    [Fact]
    public async Task An_ended_backend_is_gone_for_good()
    {
        await using var backend = RawBackend.Answering();
        var connected = await ConnectAsync("alice");
        await ReportAsync(connected, BackendStatus.Ready, backend.Address);
        Assert.Equal("ok", await _http.GetStringAsync(Path(connected)));
        await ReportAsync(connected, BackendStatus.Terminated);
        await Eventually.SeenAsync(
            async cancel => (await _http.GetAsync(Path(connected), cancel)).StatusCode, s => s == HttpStatusCode.Gone, "the route is gone");
    }

    [Fact]
    public async Task The_controller_lists_the_proxy() => await Eventually.SeenAsync(
        async _ => (await _controller.GetAsync($"/ctrl/c/{Controller.Cluster}/state")).Expect(HttpStatusCode.OK).Json!["proxies"]!.ToJsonString(),
        proxies => proxies.Contains("px-", StringComparison.Ordinal),
        "the proxy is listed");

    private static string Backend(JsonNode connected) => (string)connected["backend_id"]!;

    private static string Path(JsonNode connected) => $"/{(string)connected["token"]!}/";

    private Task<JsonNode> ConnectAsync(string user, string? key = null) =>
        _controller.ConnectAsync(key ?? Guid.NewGuid().ToString("N"), body => body["user"] = user);

    private async Task<ClientWebSocket> OpenAsync(JsonNode connected)
    {
        var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Host", Controller.Cluster);
        await socket.ConnectAsync(new Uri($"ws://127.0.0.1:{_proxy.BoundAddress().Port}{Path(connected)}"), CancellationToken.None);
        return socket;
    }

    private async Task RegisterAsync()
    {
        var name = DroneName.NewRandom();
        _drone = _controller.Grains.GetGrain<IDroneGrain>(GrainKeys.Drone(ClusterName.Parse(Controller.Cluster), name));
        var reply = await _drone.Register(new DroneRegistration
        {
            Cluster = ClusterName.Parse(Controller.Cluster),
            Name = name,
            Pool = "",
            InstanceId = Guid.NewGuid().ToString("N"),
            BootId = BootTimeClock.Instance.BootId,
            Reading = BootTimeClock.Instance.Milliseconds,
            Kinds = [ExecutorKind.Docker, ExecutorKind.Process],
            MaxBackends = 100,
            Version = "0.0.1",
            Hash = "abc",
        });
        _session = reply.Session!;
    }

    private async Task ReportAsync(JsonNode connected, BackendStatus status, string? address = null)
    {
        var identity = new BackendIdentity(BackendName.Parse(Backend(connected)), new FencingToken((long)connected["key"]!["fencing_token"]!));
        var reply = await _drone.ReportStates(new StateBatch
        {
            Session = _session,
            Events = [new StateEvent { Sequence = ++_sequence, Identity = identity, Status = status, Address = address }],
        });
        Assert.True(Assert.Single(reply.Acks).Applied);
    }
}
