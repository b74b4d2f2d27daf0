using System.Net;

namespace Plane.Tests.Silo;

public sealed class ClusterRoutesTests(ControllerFixture fixture) : IClassFixture<ControllerFixture>
{
    private readonly Controller _controller = fixture.Controller;

    [Fact]
    public async Task A_drained_drone_gets_no_new_backends_until_it_is_undrained()
    {
        var drone = await _controller.AddDroneAsync(pool: "drained");
        Assert.True(await ChangeAsync(drone, "drain"));
        Assert.False(await ChangeAsync(drone, "drain"));

        var request = Requests.Connect(Requests.Unique("drained"));
        request.Spawn()["pool"] = "drained";
        (await _controller.PostAsync("/ctrl/connect", request)).ExpectError(HttpStatusCode.ServiceUnavailable, "NoDroneAvailable");

        Assert.True(await ChangeAsync(drone, "undrain"));
        Assert.False(await ChangeAsync(drone, "undrain"));
        (await _controller.PostAsync("/ctrl/connect", request)).Expect(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("drain?terminate=false", false)]
    [InlineData("drain?terminate=true", true)]
    public async Task Draining_ends_what_runs_if_told_to(string route, bool ends)
    {
        var pool = Requests.Unique("end");
        var drone = await _controller.AddDroneAsync(pool);
        await _controller.ConnectAsync(Requests.Unique("runs"), r => r.Spawn()["pool"] = pool);
        Assert.True(await ChangeAsync(drone, route));
        Assert.Equal(ends, (await drone.ActionsAsync()).Any(a => a.Terminate?.Kind == TerminationKind.Soft));
    }

    [Theory]
    [InlineData("drain")]
    [InlineData("undrain")]
    public async Task An_unknown_drone_is_a_404(string route) =>
        (await _controller.PostAsync($"/ctrl/c/{Controller.Cluster}/d/dr-unknown/{route}")).ExpectError(HttpStatusCode.NotFound, "NotFound");

    [Fact]
    public async Task The_state_lists_drones_and_proxies()
    {
        var drone = await _controller.AddDroneAsync(pool: "state");
        var proxy = Requests.Unique("px");
        await _controller.Grains.GetGrain<IProxyGrain>(proxy).Report(new ProxyReport
        {
            Cluster = ClusterName.Parse(Controller.Cluster),
            Proxy = ProxyName.Parse(proxy),
            Version = "1.2.3",
            Hash = "def",
        });
        var state = (await _controller.GetAsync($"/ctrl/c/{Controller.Cluster}/state")).Expect(HttpStatusCode.OK).Json!;

        var shown = Assert.Single(state["drones"]!.AsArray(), d => d!["node"]!["name"]!.GetValue<string>() == drone.Name.Value)!;
        Assert.True(shown["ready"]!.GetValue<bool>());
        Assert.False(shown["draining"]!.GetValue<bool>());
        Assert.Equal(0, shown["backend_count"]!.GetValue<int>());
        Assert.InRange(shown["last_heartbeat_age"]!.GetValue<long>(), 0, 60_000);
        Assert.Equal("0.0.1", shown["node"]!["plane_version"]!.GetValue<string>());
        Assert.Equal("abc", shown["node"]!["plane_hash"]!.GetValue<string>());
        Assert.StartsWith("co-", shown["node"]!["controller"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.InRange(shown["node"]!["controller_heartbeat_age"]!.GetValue<long>(), 0, 60_000);
        Assert.Contains(state["proxies"]!.AsArray(), p => p!["name"]!.GetValue<string>() == proxy);
    }

    [Fact]
    public async Task A_cluster_without_anything_is_empty()
    {
        var state = (await _controller.GetAsync("/ctrl/c/empty.example/state")).Expect(HttpStatusCode.OK).Json!;
        Assert.Empty(state["drones"]!.AsArray());
        Assert.Empty(state["proxies"]!.AsArray());
    }

    private async Task<bool> ChangeAsync(DroneDouble drone, string route) =>
        (await _controller.PostAsync($"/ctrl/c/{Controller.Cluster}/d/{drone.Name}/{route}")).Expect(HttpStatusCode.OK).Json!["updated"]!.GetValue<bool>();
}
