using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Plane.Testing;

namespace Plane.Tests.EndToEnd;

/// <summary>Backends that misbehave: each ends with a reason that its owner can read, and leaves nothing behind.</summary>
[Collection(InstallationTests.Name)]
public sealed class BadBackendTests(Installation plane)
{
    [Fact]
    public async Task An_image_that_does_not_exist_ends_the_backend_and_is_named()
    {
        var request = await Installation.RequestAsync(Key());
        request["spawn_config"]!["executable"] = new JsonObject { ["image"] = "127.0.0.1:9/no-such-image:1" };
        var connected = await plane.ConnectAsync(request);
        Assert.Equal("internalerror", (string?)(await plane.WaitForAsync(connected.Backend, "terminated"))["termination_reason"]);
        var details = await plane.PlaneJsonAsync("backend", connected.Backend);
        Assert.Contains("no-such-image", (string?)details["message"], StringComparison.Ordinal);
        using var answer = await plane.Http.GetAsync(connected.Url);
        Assert.Equal(HttpStatusCode.BadGateway, answer.StatusCode);
        Assert.Contains("NeverReady", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Installation.Containers)]
    [InlineData(Installation.Processes)]
    public async Task One_that_dies_at_once_ends_without_a_reason_but_with_its_exit_code(string pool)
    {
        var connected = await plane.ConnectAsync(await Installation.RequestAsync(Key(), pool, null, ("BACKEND_EXIT_AT_ONCE", "7")));
        var end = await plane.WaitForAsync(connected.Backend, "terminated");
        Assert.Null(end["termination_reason"]);
        Assert.True((bool?)end["exit_error"]);
        Assert.Equal(7, (int?)(await plane.PlaneJsonAsync("backend", connected.Backend))["exit_code"]);
    }

    [Theory]
    [InlineData(Installation.Containers)]
    [InlineData(Installation.Processes)]
    public async Task One_that_ignores_its_stop_signal_is_killed_after_its_grace(string pool)
    {
        var request = await Installation.RequestAsync(Key(), pool, null, ("BACKEND_IGNORE_SIGTERM", "1"));
        request["spawn_config"]!["executable"]!["stop_grace_seconds"] = 1;
        var connected = await plane.ConnectAsync(request);
        await plane.WaitForAsync(connected.Backend, "ready");
        var (code, lines) = await plane.PlaneAsync("terminate", connected.Backend);
        Assert.True(code == 0, string.Join('\n', lines));
        var history = (JsonArray)(await plane.PlaneJsonAsync("backend", connected.Backend))["history"]!;
        Assert.Contains("hard-terminating", history.Select(e => (string?)e!["status"]));
        Assert.Equal("external", (string?)history[^1]!["termination_reason"]);
    }

    [Fact]
    public async Task One_that_is_late_is_waited_for_by_its_requests()
    {
        var connected = await plane.ConnectAsync(
            await Installation.RequestAsync(Key(), Installation.Processes, null, ("BACKEND_START_DELAY_MS", "1500")));
        Assert.Contains(connected.Backend, await plane.Http.GetStringAsync(connected.Url), StringComparison.Ordinal);
        await plane.TerminateAsync(connected.Backend);
    }

    [Fact]
    public async Task One_that_never_listens_can_be_ended()
    {
        var connected = await plane.ConnectAsync(await Installation.RequestAsync(Key(), Installation.Containers, null, ("BACKEND_LISTEN", "never")));
        await plane.WaitForAsync(connected.Backend, "waiting");
        await plane.TerminateAsync(connected.Backend);
        Assert.False(await (await DockerEngine.SharedAsync()).IsRunningAsync($"plane-{connected.Backend}"));
    }

    [Fact]
    public async Task A_key_named_like_a_path_out_stays_inside_the_mount_base()
    {
        var request = await Installation.RequestAsync("../../etc");
        request["spawn_config"]!["executable"]!["mount"] = true;
        var connected = await plane.ConnectAsync(request);
        await plane.WaitForAsync(connected.Backend, "ready");
        var container = (await (await DockerEngine.SharedAsync()).InspectAsync($"plane-{connected.Backend}"))!;
        var source = container.Mounts.Single(m => m.Destination == "/plane-data").Source;
        Assert.EndsWith("dr-containers-mounts/%2E.%2F..%2Fetc", source, StringComparison.Ordinal);
        await plane.TerminateAsync(connected.Backend);
    }

    [Fact]
    public async Task A_pool_without_drones_is_refused_and_nothing_is_left()
    {
        var request = await Installation.RequestAsync(Key(), "nowhere");
        using var refused = await plane.Http.PostAsJsonAsync(new Uri(plane.Controller, "/ctrl/connect"), request);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter);
        Assert.Equal("NoDroneAvailable", (string?)(await refused.Content.ReadFromJsonAsync<JsonNode>())!["kind"]);
        var left = await plane.PlaneJsonAsync("backends", "--key", (string)request["key"]!["name"]!);
        Assert.Empty((JsonArray)left["backends"]!);
    }

    private static string Key() => $"k-{Guid.NewGuid():N}";
}
