using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Runtimes.Docker;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

/// <summary>
/// What is asked of an engine when images are pruned. The engine is a stand-in: a real one would remove what others of this machine have built.
/// </summary>
public sealed class DockerPruneTests
{
    [Fact]
    public async Task Images_are_pruned_only_when_asked()
    {
        Assert.DoesNotContain(await RequestsAsync(pruneImages: false), r => r.Contains("/images/prune", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Only_dangling_images_older_than_the_age_are_pruned()
    {
        var earliest = (TimeProvider.System.GetUtcNow() - TimeSpan.FromHours(1)).ToUnixTimeSeconds();

        var request = Assert.Single(await RequestsAsync(pruneImages: true), r => r.Contains("/images/prune", StringComparison.Ordinal));

        Assert.StartsWith("POST ", request, StringComparison.Ordinal);
        var filters = Uri.UnescapeDataString(request.Split("filters=")[1].Split(' ')[0]);
        using var json = System.Text.Json.JsonDocument.Parse(filters);
        Assert.Equal("true", Assert.Single(json.RootElement.GetProperty("dangling").EnumerateObject()).Name);
        var until = long.Parse(Assert.Single(json.RootElement.GetProperty("until").EnumerateObject()).Name, CultureInfo.InvariantCulture);
        Assert.InRange(until, earliest, (TimeProvider.System.GetUtcNow() - TimeSpan.FromHours(1)).ToUnixTimeSeconds());
    }

    [Fact]
    public async Task An_engine_that_refuses_to_prune_images_has_pruned_containers_all_the_same()
    {
        await using var engine = new FakeEngine(line => line.Contains("/images/prune", StringComparison.Ordinal)
            ? FakeEngine.Json(409, """{"message":"a prune operation is already running"}""")
            : Answer(line));
        await using var runtime = At(engine, pruneImages: true);

        Assert.Equal(0, await runtime.PruneAsync(TimeSpan.FromHours(1), default));
    }

    [Fact]
    public void Of_more_ends_than_are_kept_the_newest_stay()
    {
        using var directory = new TempDirectory();
        var ended = new EndedContainers(directory.Path, mostKept: 2);
        BackendIdentity[] backends = [Bench.NewIdentity(), Bench.NewIdentity(), Bench.NewIdentity()];
        for (var i = 0; i < backends.Length; i++)
        {
            ended.Keep(new BackendExit(backends[i], i, null), new KeptOutput([], []));
            Directory.SetLastWriteTimeUtc(Path.GetDirectoryName(ended.OutputOf(backends[i]))!, DateTime.UnixEpoch.AddDays(1 + i));
        }

        Assert.Equal(1, ended.Prune(DateTimeOffset.UnixEpoch, (_, e) => Assert.Fail(e.Message)));

        Assert.Equal("none 1 2", string.Join(' ', backends.Select(b => ended.Find(b)?.ExitCode?.ToString(CultureInfo.InvariantCulture) ?? "none")));
    }

    private static async Task<IReadOnlyCollection<string>> RequestsAsync(bool pruneImages)
    {
        var requests = new ConcurrentQueue<string>();
        await using var engine = new FakeEngine(line =>
        {
            requests.Enqueue(line);
            return Answer(line);
        });
        await using var runtime = At(engine, pruneImages);
        Assert.Equal(0, await runtime.PruneAsync(TimeSpan.FromHours(1), default));
        return requests;
    }

    private static string Answer(string line) =>
        line.Contains("/images/prune", StringComparison.Ordinal) ? FakeEngine.Json(200, """{"ImagesDeleted":null,"SpaceReclaimed":7}""")
        : line.Contains("/containers/json", StringComparison.Ordinal) ? FakeEngine.Json(200, "[]")
        : FakeEngine.Json(200, """{"ApiVersion":"1.47","MinAPIVersion":"1.24"}""");

    private static DockerRuntime At(FakeEngine engine, bool pruneImages) => new(
        new DockerRuntimeOptions { Host = engine.Host, InstanceId = "t-prune", OutputDirectory = "/nowhere", PruneImages = pruneImages }, TimeProvider.System, NullLogger<DockerRuntime>.Instance);
}
