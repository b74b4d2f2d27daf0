using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace Plane.Tests.Silo;

/// <summary>What drones have and backends reserve, and images that are pulled before they are needed, over HTTP.</summary>
public sealed class ResourceRouteTests(ControllerFixture fixture) : IClassFixture<ControllerFixture>
{
    private const long GiB = 1L << 30;

    private readonly Controller _controller = fixture.Controller;

    [Fact]
    public async Task A_backend_is_placed_where_there_is_room_for_it_and_refused_where_there_is_none()
    {
        var pool = Requests.Unique("room");
        var small = await _controller.AddDroneAsync(pool);
        await small.HasAsync(new ResourceAmounts { CpuMillis = 1_000, MemoryBytes = 2 * GiB });
        var large = await _controller.AddDroneAsync(pool);
        await large.HasAsync(new ResourceAmounts { CpuMillis = 4_000, MemoryBytes = 4 * GiB });

        var first = (await ConnectAsync(pool, new JsonObject { ["memory_bytes"] = 3 * GiB, ["cpu_millis"] = 500 })).Expect(HttpStatusCode.OK).Json!;
        Assert.Equal(large.Name.Value, (string)first["drone"]!);
        var refused = (await ConnectAsync(pool, new JsonObject { ["memory_bytes"] = 3 * GiB })).ExpectError(HttpStatusCode.ServiceUnavailable, "NoDroneAvailable");
        Assert.Contains($"it needs 3 GiB of memory, and the largest free is 2 GiB on {small.Name}", refused.Message, StringComparison.Ordinal);
        refused = (await ConnectAsync(pool, new JsonObject { ["cpu_millis"] = 9_000 })).ExpectError(HttpStatusCode.ServiceUnavailable, "NoDroneAvailable");
        Assert.Contains($"is large enough, whatever else ends: it needs 9 CPUs, and the largest has 4 ({large.Name})", refused.Message, StringComparison.Ordinal);

        var state = (await _controller.GetAsync($"/ctrl/c/{Controller.Cluster}/state")).Expect(HttpStatusCode.OK).Json!;
        var shown = state["drones"]!.AsArray().Single(d => (string)d!["node"]!["name"]! == large.Name.Value)!;
        Assert.Equal($$"""{"cpu_millis":4000,"memory_bytes":{{4 * GiB}},"disk_bytes":0,"gpus":0}""", shown["capacity"]!.ToJsonString());
        Assert.Equal($$"""{"cpu_millis":500,"memory_bytes":{{3 * GiB}},"disk_bytes":0,"gpus":0}""", shown["reserved"]!.ToJsonString());
        var other = await _controller.AddDroneAsync(Requests.Unique("other"));
        state = (await _controller.GetAsync($"/ctrl/c/{Controller.Cluster}/state")).Expect(HttpStatusCode.OK).Json!;
        shown = state["drones"]!.AsArray().Single(d => (string)d!["node"]!["name"]! == other.Name.Value)!;
        Assert.Null(shown["capacity"]);
        Assert.Equal(0, (long)shown["reserved"]!["memory_bytes"]!);
    }

    [Fact]
    public async Task What_has_no_room_waits_for_it()
    {
        var pool = Requests.Unique("waits");
        var drone = await _controller.AddDroneAsync(pool);
        await drone.HasAsync(new ResourceAmounts { MemoryBytes = GiB });
        var first = (await ConnectAsync(pool, new JsonObject { ["memory_bytes"] = GiB })).Expect(HttpStatusCode.OK).Json!;
        var backend = new BackendIdentity(BackendName.Parse((string)first["backend_id"]!), new FencingToken((long)first["key"]!["fencing_token"]!));
        var waiting = ConnectAsync(pool, new JsonObject { ["memory_bytes"] = GiB }, wait: 20);
        await drone.ReportAsync(backend, BackendStatus.Terminated);
        Assert.Equal(drone.Name.Value, (string)(await waiting).Expect(HttpStatusCode.OK).Json!["drone"]!);
    }

    [Theory]
    [InlineData("""{"cpu_millis": -1}""", "cpu_millis")]
    [InlineData("""{"cpu_millis": 1000001}""", "cpu_millis")]
    [InlineData("""{"cpu_millis": 0.5}""", "cpu_millis")]
    [InlineData("""{"memory_bytes": 9007199254740993}""", "memory_bytes")]
    [InlineData("""{"memory_bytes": 9223372036854775808}""", "memory_bytes")]
    [InlineData("""{"disk_bytes": -9223372036854775808}""", "disk_bytes")]
    [InlineData("""{"disk_bytes": "1GiB"}""", "disk_bytes")]
    [InlineData("[]", "resource_requests")]
    public async Task Amounts_that_make_no_sense_are_refused_with_their_field(string requests, string field) => Assert.Contains(
        field, (await ConnectAsync("", JsonNode.Parse(requests)!)).ExpectError(HttpStatusCode.BadRequest, "InvalidRequest").Message, StringComparison.Ordinal);

    [Fact]
    public async Task Drones_of_a_services_pool_learn_its_image_and_what_they_report_is_shown()
    {
        var pool = Requests.Unique("images");
        var drone = await _controller.AddDroneAsync(pool);
        await _controller.AddDroneAsync(pool, Controller.Cluster, ExecutorKind.Process);
        var empty = await drone.ReadImagesAsync(pool);
        Assert.Empty(empty.Images);

        // A drone that waits learns of a service at once.
        var waiting = drone.ReadImagesAsync(pool, empty.Version, TimeSpan.FromSeconds(5));
        var name = "i" + Guid.NewGuid().ToString("N")[..12];
        var made = (await PutAsync(name, pool, "registry.example/app:1")).Expect(HttpStatusCode.Created).Json!;
        var page = await waiting;
        Assert.Equal(("registry.example/app:1", "the-word"), (Assert.Single(page.Images).Image, page.Images[0].Credentials!.Password));
        Assert.Equal(page.Version, (await drone.ReadImagesAsync(pool, page.Version)).Version);
        Assert.Empty((await drone.ReadImagesAsync("another-pool")).Images);
        Assert.Equal($$"""[{"drone":"{{drone.Name}}","cluster":"{{Controller.Cluster}}","status":"pending"}]""", made["images"]!.ToJsonString());

        await drone.ReportImagesAsync(new ImageState { Image = "registry.example/app:1", Status = ImageStatus.Pulling, Percent = 40 });
        Assert.Equal($$"""[{"drone":"{{drone.Name}}","cluster":"{{Controller.Cluster}}","status":"pulling","percent":40}]""", (await ImagesAsync(name)).ToJsonString());
        await drone.ReportImagesAsync(new ImageState { Image = "registry.example/app:1", Status = ImageStatus.Failed, Reason = "denied" });
        Assert.Equal($$"""[{"drone":"{{drone.Name}}","cluster":"{{Controller.Cluster}}","status":"failed","reason":"denied"}]""", (await ImagesAsync(name)).ToJsonString());

        // Another image is not there yet, whatever was reported of the former one.
        await PutAsync(name, pool, "registry.example/app:2");
        Assert.Equal("pending", (string)(await ImagesAsync(name))[0]!["status"]!);
        Assert.Equal("registry.example/app:2", Assert.Single((await drone.ReadImagesAsync(pool, page.Version, TimeSpan.FromSeconds(5))).Images).Image);
    }

    private async Task<JsonNode> ImagesAsync(string service) => (await _controller.GetAsync($"/ctrl/s/{service}")).Expect(HttpStatusCode.OK).Json!["images"]!;

    private Task<Answer> PutAsync(string name, string pool, string image)
    {
        var executable = new JsonObject { ["image"] = image, ["credentials"] = new JsonObject { ["username"] = "u", ["password"] = "the-word" } };
        var config = new JsonObject { ["spawn_config"] = new JsonObject { ["pool"] = pool, ["executable"] = executable }, ["access"] = "public", ["prepull"] = true };
        return _controller.SendAsync(HttpMethod.Put, $"/ctrl/s/{name}", new StringContent(config.ToJsonString(), Encoding.UTF8, "application/json"));
    }

    private Task<Answer> ConnectAsync(string pool, JsonNode requests, int? wait = null)
    {
        var request = Requests.Connect(Requests.Unique("key"));
        request.Spawn()["pool"] = pool;
        request.Executable()["resource_requests"] = requests;
        request["wait_seconds"] = wait;
        return _controller.PostAsync("/ctrl/connect", request);
    }
}
