using Plane.DroneHost.Runtimes.Output;
using Plane.DroneHost.Runtimes;
using Plane.Tests.Runtimes;
using Plane.Testing;

namespace Plane.Tests.Output;

public sealed class DockerOutputTests() : RuntimeOutputTests(new DockerBench())
{
    [Fact]
    public async Task Each_line_says_its_stream_and_its_time()
    {
        var (_, start) = await EndedAsync("echo one; echo two >&2; exit 3");

        var lines = await ReadAsync(start.Identity, new OutputSelection());

        Assert.Equal([(OutputStream.Stdout, "one"), (OutputStream.Stderr, "two")], lines.OrderBy(l => l.Stream).Select(l => (l.Stream, l.Text)));
        Assert.All(lines, l => Assert.NotNull(l.Time));
    }
}

public sealed class ProcessOutputTests() : RuntimeOutputTests(new ProcessBench())
{
    [Fact]
    public async Task A_flood_is_followed_to_its_end_and_no_line_is_counted_twice()
    {
        const int Lines = 2_000_000;
        var process = (ProcessBench)Bench;
        process.Configure = o => (o.OutputLimit, o.LookEvery) = (200_000, TimeSpan.FromMilliseconds(20));
        var start = await Bench.StartOf($"echo begun; while [ ! -e go ]; do sleep 0.01; done; seq -f 'line %.0f of a flood that is not to be read in full' {Lines}; sleep 1; echo over");
        var runtime = Bench.NewRuntime();
        await runtime.StartAsync(start, default);
        await using var reader = (await FollowAsync(runtime, start.Identity, 0)).GetAsyncEnumerator();
        Assert.True(await reader.MoveNextAsync());
        Assert.Equal("begun", reader.Current.Text);

        await File.WriteAllTextAsync(process.FileOf(start.Identity, "work/go"), "");
        var seen = 0L;
        OutputLine? last = null;
        while (await reader.MoveNextAsync())
        {
            last = reader.Current;
            seen += 1 + last.Dropped;
            Assert.True(last.Dropped >= 0, "a number of dropped lines is not known");
        }

        Assert.Equal("over", last!.Text);

        // What is written between the copying and the cutting of a file is lost uncounted, of a writer this fast.
        Assert.InRange(seen, 2, Lines + 1);
    }
}

/// <summary>Reading what backends wrote, of each runtime on the real thing.</summary>
public abstract class RuntimeOutputTests(Bench bench) : IAsyncLifetime
{
    private const string Count = "i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done";

    protected Bench Bench => bench;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await bench.EndAsync();

    [Fact]
    public async Task It_is_read_while_the_backend_runs()
    {
        var start = await bench.StartOf($"{Count}; exec sleep 1000");
        var runtime = bench.NewRuntime();
        await runtime.StartAsync(start, default);

        var lines = await Eventually.SeenAsync(async _ => await ReadAsync(start.Identity, new OutputSelection { Tail = 1_000 }, runtime), l => l.Count == 200, "all lines are there");

        Assert.Equal(Enumerable.Range(0, 200).Select(i => $"line {i}"), lines.Select(l => l.Text));
        Assert.Equal(lines.Select(l => l.Position).Distinct().Order(), lines.Select(l => l.Position));
    }

    [Fact]
    public async Task It_is_read_after_the_backend_has_ended_until_it_is_pruned()
    {
        var (runtime, start) = await EndedAsync(Count);

        // A busy engine tells the end before it has written all of the output.
        var before = await Eventually.SeenAsync(async _ => await ReadAsync(start.Identity, new OutputSelection(), runtime), l => l.Count == 200, "all lines are there");
        await runtime.EnsureGoneAsync(start.Identity, default);

        var after = await ReadAsync(start.Identity, new OutputSelection(), bench.NewRuntime());
        await runtime.PruneAsync(TimeSpan.Zero, default);

        Assert.Equal(Enumerable.Range(0, 200).Select(i => $"line {i}"), after.Select(l => l.Text));
        Assert.Equal(before.Select(l => l.Position), after.Select(l => l.Position));
        Assert.Null(await runtime.ReadOutputAsync(start.Identity, new OutputSelection(), default));
    }

    [Fact]
    public async Task One_that_follows_gets_each_line_and_the_end()
    {
        var start = await bench.StartOf("for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done; printf 'no end'; exit 3");
        var runtime = bench.NewRuntime();
        await runtime.StartAsync(start, default);

        var lines = await Eventually.EndsAsync((await FollowAsync(runtime, start.Identity, 0)).ToListAsync().AsTask(), "the output ends with the backend");

        Assert.Equal(["line 1", "line 2", "line 3", "line 4", "line 5", "no end"], lines.Select(l => l.Text));
    }

    [Fact]
    public async Task One_that_comes_back_goes_on_after_its_last_line_also_at_another_agent()
    {
        var start = await bench.StartOf("i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); sleep 0.005; done");
        var runtime = bench.NewRuntime();
        await runtime.StartAsync(start, default);
        var seen = new List<OutputLine>();
        await foreach (var line in await FollowAsync(runtime, start.Identity, 0))
        {
            seen.Add(line);
            if (seen.Count == 50)
            {
                break;
            }
        }

        var rest = await Eventually.EndsAsync((await FollowAsync(bench.NewRuntime(), start.Identity, seen[^1].Position)).ToListAsync().AsTask(), "the output ends");

        Assert.Equal(Enumerable.Range(0, 300).Select(i => $"line {i}"), seen.Concat(rest).Select(l => l.Text));
        Assert.All(rest, l => Assert.Equal(0, l.Dropped));
    }

    [Fact]
    public async Task A_line_of_any_length_is_cut_and_bytes_of_any_kind_are_text()
    {
        var (_, start) = await EndedAsync("head -c 200000 /dev/zero | tr '\\0' x; echo; printf 'a\\377\\033[31mb\\n'");

        var lines = await ReadAsync(start.Identity, new OutputSelection());

        Assert.Equal(2, lines.Count);
        Assert.True(lines[0].Cut);
        Assert.Equal(OutputLine.MaxBytes, lines[0].Text.Length);
        Assert.Equal("a\uFFFD\u001b[31mb", lines[1].Text);
    }

    [Fact]
    public async Task Lines_before_a_time_are_left_out()
    {
        var start = await bench.StartOf("i=0; while :; do echo line $i; i=$((i+1)); sleep 0.2; done");
        var runtime = bench.NewRuntime();
        await runtime.StartAsync(start, default);
        var timed = await Eventually.SeenAsync(
            async _ => (await ReadAsync(start.Identity, new OutputSelection(), runtime)).Where(l => l.Time is not null).ToList(),
            l => l.Count > 0 && l[0].Time < l[^1].Time,
            "lines of two times are there");
        var first = timed.First(l => l.Time == timed[^1].Time);
        var before = timed.Last(l => l.Time < first.Time).Time!.Value;

        var since = await ReadAsync(start.Identity, new OutputSelection { Since = before + ((first.Time!.Value - before) / 2) }, runtime);

        Assert.Equal(first.Text, since[0].Text);
    }

    protected async Task<(IContainerRuntime Runtime, BackendStart Start)> EndedAsync(string script)
    {
        var start = await bench.StartOf(script);
        var runtime = bench.NewRuntime();
        await using var exits = new Exits(runtime);
        await runtime.StartAsync(start, default);
        await exits.OfAsync(start.Identity);
        return (runtime, start);
    }

    protected async Task<List<OutputLine>> ReadAsync(BackendIdentity backend, OutputSelection selection, IContainerRuntime? runtime = null) =>
        await (runtime ?? bench.NewRuntime()).ReadOutputAsync(backend, selection, default) is { } lines ? await lines.ToListAsync() : [];

    protected static async Task<IAsyncEnumerable<OutputLine>> FollowAsync(IContainerRuntime runtime, BackendIdentity backend, long after) =>
        await runtime.ReadOutputAsync(backend, new OutputSelection { After = after, Follow = true }, default) ?? AsyncEnumerable.Empty<OutputLine>();
}
