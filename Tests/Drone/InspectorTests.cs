using Microsoft.Extensions.Logging.Abstractions;
using Plane.DroneHost.Housekeeping;
using Plane.DroneHost.Output;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Supervision;
using Plane.Tests.Runtimes;
using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>What a drone shows of its backends, with a real process behind it.</summary>
public sealed class InspectorTests : IAsyncLifetime, IDisposable
{
    private readonly ProcessBench _bench = new();
    private IContainerRuntime _runtime = null!;
    private DroneInspector _inspector = null!;

    public async Task InitializeAsync()
    {
        _runtime = _bench.NewRuntime();
        var runtimes = await RuntimeSet.CreateAsync(
            new Plane.DroneHost.DroneOptions { Cluster = "test.example", Runtime = "process" }, [new Factory(_runtime)],
            new RuntimeOwner(ClusterName.Parse("test.example"), DroneName.NewRandom(), "i", null), [], TimeProvider.System, NullLogger.Instance, default);
        _inspector = new DroneInspector(runtimes, new UsageHistory(TimeProvider.System), TimeProvider.System, NullLogger<DroneInspector>.Instance);
    }

    public async Task DisposeAsync()
    {
        await _inspector.DisposeAsync();
        await _bench.EndAsync();
    }

    public void Dispose() => _bench.Directory.Dispose();

    [Fact]
    public async Task Many_readers_follow_from_the_last_lines_to_the_end_without_a_loss()
    {
        var start = await _bench.StartOf("i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); sleep 0.01; done");
        await _runtime.StartAsync(start, default);
        await Eventually.SeenAsync(async _ => (await ReadAsync(start.Identity)).Lines.Length, n => n > 5, "it writes");

        var all = await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
        {
            var page = await ReadAsync(start.Identity);
            var lines = page.Lines.Select(l => l.Text).ToList();
            while (!page.IsComplete)
            {
                page = await ReadAsync(start.Identity, page.Cursor);
                lines.AddRange(page.Lines.Select(l => l.Text));
                Assert.All(page.Lines, l => Assert.Equal(0, l.Dropped));
            }

            return lines;
        }));

        Assert.All(all, lines => Assert.Equal(Enumerable.Range(0, 200).Select(i => $"line {i}"), lines));
    }

    [Fact]
    public async Task What_has_not_begun_is_unknown_and_followed_once_it_has()
    {
        var start = await _bench.StartOf("echo begun; exec sleep 1000");
        Assert.False((await ReadAsync(start.Identity)).IsKnown);
        Assert.False((await ReadAsync(start.Identity, new OutputCursor(0))).IsKnown);

        await _runtime.StartAsync(start, default);

        var page = await Eventually.SeenAsync(async _ => await ReadAsync(start.Identity, new OutputCursor(0)), p => p.Lines.Length > 0, "its line is read");
        Assert.Equal("begun", Assert.Single(page.Lines).Text);
        Assert.False(page.IsComplete);
    }

    [Fact]
    public async Task A_reader_that_comes_too_late_is_told_how_many_lines_it_missed()
    {
        const int Lines = 40_000;
        var start = await _bench.StartOf($"echo first; while [ ! -e go ]; do sleep 0.01; done; seq -f 'line %.0f of a few more than a ring holds' {Lines}; echo over");
        await _runtime.StartAsync(start, default);
        var page = await Eventually.SeenAsync(async _ => await ReadAsync(start.Identity, new OutputCursor(0)), p => p.Lines.Length > 0, "its first line is read");
        await File.WriteAllTextAsync(_bench.FileOf(start.Identity, "work/go"), "");
        await Eventually.SeenAsync(_ => _bench.IsRunningAsync(start.Identity), r => !r, "it has written all");

        // Another reads to the end meanwhile, so that the ring continues.
        var other = page;
        while (!other.IsComplete)
        {
            other = await ReadAsync(start.Identity, other.Cursor);
        }

        var seen = 0L;
        for (var cursor = page.Cursor; ; cursor = page.Cursor)
        {
            page = await ReadAsync(start.Identity, cursor);
            seen += page.Lines.Sum(l => 1 + l.Dropped);
            if (page.IsComplete)
            {
                break;
            }
        }

        Assert.Equal(Lines + 1, seen);
    }

    [Fact]
    public async Task A_request_that_breaks_a_rule_is_refused()
    {
        await Assert.ThrowsAsync<InvalidCallException>(() => _inspector.ReadOutput(null!));
        await Assert.ThrowsAsync<InvalidCallException>(() => _inspector.ReadOutput(new OutputRequest { Backend = default, Executor = ExecutorKind.Process }));
        await Assert.ThrowsAsync<InvalidCallException>(() => _inspector.ReadOutput(
            new OutputRequest { Backend = Bench.NewIdentity(), Executor = ExecutorKind.Process, Tail = OutputRequest.MaxTail + 1 }));
        Assert.False((await _inspector.ReadOutput(new OutputRequest { Backend = Bench.NewIdentity(), Executor = ExecutorKind.Docker })).IsKnown);
    }

    [Fact]
    public void Usage_of_the_last_hour_is_kept_of_what_runs()
    {
        var history = new UsageHistory(TimeProvider.System);
        var backend = Bench.NewIdentity();
        history.Add([new BackendUsage(backend, 0, 100)]);
        Assert.Empty(history.Of(backend));
        history.Add([new BackendUsage(backend, 1_000_000_000, 200)]);
        Assert.Equal(200, Assert.Single(history.Of(backend)).MemoryBytes);
        Assert.Equal(backend.Backend, Assert.Single(history.Busiest(10)).BackendId);
        history.Add([]);
        Assert.Empty(history.Of(backend));
        Assert.Empty(history.Busiest(10));
    }

    private Task<OutputPage> ReadAsync(BackendIdentity backend, OutputCursor? after = null) => _inspector.ReadOutput(
        new OutputRequest { Backend = backend, Executor = ExecutorKind.Process, After = after, Tail = OutputRequest.MaxTail, Wait = TimeSpan.FromSeconds(1) });

    private sealed class Factory(IContainerRuntime runtime) : IRuntimeFactory
    {
        public ExecutorKind Kind => runtime.Kind;

        public IContainerRuntime Create(RuntimeOwner owner) => runtime;
    }
}
