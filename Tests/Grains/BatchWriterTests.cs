using Plane.Grains.Batching;
using Plane.Grains.Metrics;
using Plane.Storage;
using Plane.Testing;

namespace Plane.Tests.Grains;

public sealed class BatchWriterTests : IDisposable
{
    private readonly TestMeters _meters = new();
    private readonly List<int[]> _written = [];
    private readonly TaskCompletionSource _first = new();
    private TaskCompletionSource _gate = Opened();

    public void Dispose() => _meters.Dispose();

    [Fact]
    public async Task A_lone_request_is_written_at_once()
    {
        await using var writer = Writer();
        Assert.Equal("7", await writer.WriteAsync(7, default));
        Assert.Equal([7], Assert.Single(_written));
    }

    [Fact]
    public async Task Requests_that_come_while_a_statement_runs_make_the_next_one_together()
    {
        await using var writer = Writer();
        _gate = new TaskCompletionSource();
        var first = writer.WriteAsync(0, default);
        await _first.Task;
        var others = Enumerable.Range(1, 20).Select(i => writer.WriteAsync(i, default)).ToArray();
        _gate.SetResult();

        Assert.Equal("0", await first);
        Assert.Equal(Enumerable.Range(1, 20).Select(i => $"{i}"), await Task.WhenAll(others));
        Assert.Equal([1, 20], _written.Select(w => w.Length));
    }

    [Fact]
    public async Task A_statement_has_no_more_than_its_items()
    {
        await using var writer = Writer(maxItems: 8);
        _gate = new TaskCompletionSource();
        var first = writer.WriteAsync(0, default);
        await _first.Task;
        var others = Enumerable.Range(1, 20).Select(i => writer.WriteAsync(i, default)).ToArray();
        _gate.SetResult();
        await Task.WhenAll([first, .. others]);
        Assert.Equal([1, 8, 8, 4], _written.Select(w => w.Length));
    }

    [Fact]
    public async Task A_full_queue_makes_callers_wait_for_room()
    {
        await using var writer = Writer(maxQueued: 2);
        _gate = new TaskCompletionSource();
        var calls = Enumerable.Range(0, 50).Select(i => writer.WriteAsync(i, default)).ToArray();
        await _first.Task;
        _gate.SetResult();
        Assert.Equal(Enumerable.Range(0, 50).Select(i => $"{i}"), await Task.WhenAll(calls));
    }

    [Fact]
    public async Task A_database_that_is_away_fails_the_batch_and_the_next_one_is_written()
    {
        await using var writer = Writer(fault: r => r.Contains(1) ? new StoreUnavailableException("away") : null);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => writer.WriteAsync(1, default));
        Assert.Equal("2", await writer.WriteAsync(2, default));
    }

    [Fact]
    public async Task A_request_that_breaks_its_batch_fails_alone()
    {
        await using var writer = Writer(fault: r => r.Contains(3) ? new InvalidOperationException("three") : null);
        _gate = new TaskCompletionSource();
        var first = writer.WriteAsync(0, default);
        await _first.Task;
        var others = Enumerable.Range(1, 5).ToDictionary(i => i, i => writer.WriteAsync(i, default));
        _gate.SetResult();

        Assert.Equal("0", await first);
        Assert.Equal("three", (await Assert.ThrowsAsync<InvalidOperationException>(() => others[3])).Message);
        foreach (var i in new[] { 1, 2, 4, 5 })
        {
            Assert.Equal($"{i}", await others[i]);
        }
    }

    [Fact]
    public async Task One_bad_request_of_many_costs_few_statements()
    {
        var statements = 0;
        await using var writer = Writer(maxItems: 1_000, fault: r =>
        {
            statements++;
            return r.Contains(300) ? new InvalidOperationException("three hundred") : null;
        });
        _gate = new TaskCompletionSource();
        var first = writer.WriteAsync(0, default);
        await _first.Task;
        var others = Enumerable.Range(1, 1_000).ToDictionary(i => i, i => writer.WriteAsync(i, default));
        _gate.SetResult();
        await first;
        await Assert.ThrowsAsync<InvalidOperationException>(() => others[300]);
        others.Remove(300);
        Assert.Equal(others.Keys.Select(i => $"{i}"), await Task.WhenAll(others.Values));
        Assert.InRange(statements, 2, 30);
    }

    [Fact]
    public async Task When_most_of_a_batch_fails_the_rest_does_not_wait_for_each_of_them()
    {
        var statements = 0;
        await using var writer = Writer(maxItems: 1_000, fault: r =>
        {
            statements++;
            return r.Any(i => i is > 0 and <= 1_000) ? new InvalidOperationException("all of them") : null;
        });
        _gate = new TaskCompletionSource();
        var first = writer.WriteAsync(0, default);
        await _first.Task;
        var others = Enumerable.Range(1, 1_000).Select(i => writer.WriteAsync(i, default)).ToArray();
        var last = writer.WriteAsync(1_001, default);
        _gate.SetResult();
        await first;
        Assert.Equal("1001", await last);
        Assert.InRange(statements, 2, 100);
        foreach (var other in others)
        {
            await Assert.ThrowsAnyAsync<Exception>(() => other);
        }
    }

    [Fact]
    public async Task A_request_that_cannot_be_weighed_fails_alone_and_others_are_written()
    {
        await using var writer = Writer(weigh: i => i == 1 ? throw new InvalidOperationException("one") : 1);
        Assert.Equal("one", (await Assert.ThrowsAsync<InvalidOperationException>(() => writer.WriteAsync(1, default))).Message);
        Assert.Equal("2", await Eventually.EndsAsync(writer.WriteAsync(2, default), "others are written"));
    }

    [Fact]
    public async Task A_request_that_is_cancelled_while_it_queues_is_not_written()
    {
        await using var writer = Writer();
        _gate = new TaskCompletionSource();
        var first = writer.WriteAsync(0, default);
        await _first.Task;
        using var cancel = new CancellationTokenSource();
        var cancelled = writer.WriteAsync(1, cancel.Token);
        var kept = writer.WriteAsync(2, default);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        _gate.SetResult();
        await Task.WhenAll(first, kept);
        Assert.DoesNotContain(_written, w => w.Contains(1));
    }

    [Fact]
    public async Task A_statement_that_hangs_is_given_up_and_the_next_one_is_written()
    {
        await using var writer = Writer(longest: TimeSpan.FromMilliseconds(50));
        _gate = new TaskCompletionSource();
        var hanging = writer.WriteAsync(1, default);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => Eventually.EndsAsync(hanging, "the end of the hanging statement"));
        _gate.SetResult();
        Assert.Equal("2", await writer.WriteAsync(2, default));
    }

    [Fact]
    public async Task What_is_queued_is_written_when_the_writer_ends()
    {
        var writer = Writer();
        _gate = new TaskCompletionSource();
        var calls = Enumerable.Range(0, 3).Select(i => writer.WriteAsync(i, default)).ToArray();
        await _first.Task;
        var ending = writer.DisposeAsync();
        _gate.SetResult();
        await ending;
        Assert.Equal(["0", "1", "2"], await Task.WhenAll(calls));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => writer.WriteAsync(4, default));
    }

    private static TaskCompletionSource Opened()
    {
        var gate = new TaskCompletionSource();
        gate.SetResult();
        return gate;
    }

    private BatchWriter<int, string> Writer(
        int maxItems = 100, int maxQueued = 1_000, TimeSpan? longest = null, Func<IReadOnlyList<int>, Exception?>? fault = null, Func<int, int>? weigh = null) => new(
        new BatchLimits("numbers", maxItems, maxQueued, longest ?? TimeSpan.FromMinutes(1)),
        async (requests, cancellationToken) =>
        {
            _first.TrySetResult();
            await _gate.Task.WaitAsync(cancellationToken);
            if (fault?.Invoke(requests) is { } e)
            {
                throw e;
            }

            _written.Add([.. requests]);
            return [.. requests.Select(r => $"{r}")];
        },
        weigh ?? (static _ => 1),
        TimeProvider.System,
        new ControllerMetrics(_meters));
}
