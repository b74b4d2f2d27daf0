using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Runtimes.Docker;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

/// <summary>
/// What is said of a container that was sent signals through the engine: by an operator, or by the engine itself, which without live-restore stops when it starts what it was killed over.
/// </summary>
public sealed class DockerEngineStartTests : IDisposable
{
    private const string Id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    private const string Instance = "t-engine";

    private readonly TempDirectory _directory = new();
    private readonly BackendIdentity _backend = Bench.NewIdentity();
    private DateTimeOffset _ended = TimeProvider.System.GetUtcNow().AddMinutes(-1);

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(false, false, 40, TerminationReason.InternalError)]
    [InlineData(true, false, 40, TerminationReason.External)]
    [InlineData(false, true, 40, TerminationReason.External)]
    [InlineData(false, false, 256, TerminationReason.External)]
    public async Task Signals_of_an_engine_that_has_forgotten_nothing_but_the_containers_start_are_its_own(
        bool remembersStart, bool hasLiveRestore, int remembered, TerminationReason reason)
    {
        await using var engine = new FakeEngine(line => Answer(line, remembersStart, hasLiveRestore, remembered));
        await using var runtime = new DockerRuntime(
            new DockerRuntimeOptions { Host = engine.Host, InstanceId = Instance, OutputDirectory = _directory.Path }, TimeProvider.System, NullLogger<DockerRuntime>.Instance);

        var found = Assert.Single(await runtime.ListAsync(default));

        Assert.Equal((FoundState.Exited, 137, reason), (found.State, found.ExitCode, found.Exit!.Cause?.Reason));
        Assert.Contains(
            reason == TerminationReason.InternalError ? "The container engine has restarted" : "was sent signal 9 through the container engine",
            found.Exit.Cause!.Message,
            StringComparison.Ordinal);
    }

    /// <summary>The engine sends what it remembers, and then waits until its clock is where it was at the end of the container.</summary>
    [Fact]
    public async Task An_engine_whose_clock_was_set_back_keeps_nobody_waiting()
    {
        _ended = TimeProvider.System.GetUtcNow().AddHours(1);
        await using var engine = new FakeEngine(line => line.Contains("/events", StringComparison.Ordinal)
            ? $"HTTP/1.1 200 X\r\nContent-Type: application/json\r\n\r\n{Event("start", -3_600)}\n{Event("kill", 0, 9)}\n{Event("die", 0)}\n"
            : Answer(line, remembersStart: true, hasLiveRestore: false, remembered: 40)) { Open = "/events" };
        await using var runtime = new DockerRuntime(
            new DockerRuntimeOptions { Host = engine.Host, InstanceId = Instance, OutputDirectory = _directory.Path }, TimeProvider.System, NullLogger<DockerRuntime>.Instance);

        var found = Assert.Single(await Eventually.EndsAsync(runtime.ListAsync(default), "the ended container is listed"));

        Assert.Equal((FoundState.Exited, 137, TerminationReason.External), (found.State, found.ExitCode, found.Exit!.Cause?.Reason));
    }

    private string? Answer(string line, bool remembersStart, bool hasLiveRestore, int remembered)
    {
        var labels = new Dictionary<string, string>
        {
            ["dev.plane.backend"] = "true", ["dev.plane.drone"] = Instance, ["dev.plane.backend.name"] = _backend.Backend.Value, ["dev.plane.backend.token"] = _backend.Token.ToString(),
        };
        object state = new { Status = "exited", Running = false, ExitCode = 137, StartedAt = _ended.AddHours(-1), FinishedAt = _ended };
        return line switch
        {
            _ when line.Contains("/version", StringComparison.Ordinal) => Json(new { ApiVersion = "1.47", MinAPIVersion = "1.24" }),
            _ when line.Contains("/info", StringComparison.Ordinal) => Json(new { LiveRestoreEnabled = hasLiveRestore }),
            _ when line.Contains($"/containers/{Id}/json", StringComparison.Ordinal) => Json(new { Id, State = state, Config = new { Labels = labels } }),
            _ when line.Contains("/containers/json", StringComparison.Ordinal) => Json((object[])[new { Id, State = "exited", Labels = labels, Names = (string[])["/x"], Created = 1 }]),
            _ when line.Contains("/events", StringComparison.Ordinal) && line.Contains(Id, StringComparison.Ordinal) => Events(
                [.. remembersStart ? (string[])[Event("start", -3_600)] : [], Event("kill", -10, 15), Event("kill", 0, 9), Event("die", 0)]),
            _ when line.Contains("/events", StringComparison.Ordinal) => Events(Enumerable.Range(0, remembered).Select(_ => Event("create", -5))),
            _ => FakeEngine.Json(404, """{"message":"not of this test"}"""),
        };
    }

    private string Event(string action, double seconds, int? signal = null)
    {
        var at = (_ended.AddSeconds(seconds) - DateTimeOffset.UnixEpoch).Ticks * 100;
        var attributes = signal is { } number ? new Dictionary<string, string> { ["signal"] = number.ToString(CultureInfo.InvariantCulture) } : [];
        return JsonSerializer.Serialize(new { Action = action, Actor = new { ID = Id, Attributes = attributes }, timeNano = at });
    }

    private static string Events(IEnumerable<string> lines) => FakeEngine.Json(200, string.Concat(lines.Select(l => l + "\n")));

    private static string Json(object value) => FakeEngine.Json(200, JsonSerializer.Serialize(value));
}
