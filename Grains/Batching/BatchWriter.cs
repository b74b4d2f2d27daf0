using System.Diagnostics;
using System.Threading.Channels;
using Plane.Grains.Metrics;
using Plane.Storage;

namespace Plane.Grains.Batching;

/// <summary>
/// Makes one statement out of requests that come at the same time, without waiting for more: while one statement runs, requests queue, and all
/// that have queued make the next one. So a lone request is written at once, and cost grows with statements, not with requests.
/// <para>
/// Concurrency: any number of callers, on any scheduler; one pump, owned by this object, on the thread pool; it ends when the object is disposed
/// of. A request is answered exactly once. What fails with <see cref="StoreUnavailableException"/> fails the whole batch, since every request
/// may be repeated; any other failure is that of one request among them, so the batch is written again in halves until only the culprit fails. No more than
/// <see cref="MostRepeats"/> statements are spent on that: what is left then fails as unavailable, so that the requests behind it do not wait for long.
/// </para>
/// </summary>
internal sealed class BatchWriter<TRequest, TResult> : IAsyncDisposable
{
    // Finds three culprits among the largest batch.
    private const int MostRepeats = 64;

    private readonly BatchLimits _limits;
    private readonly Func<IReadOnlyList<TRequest>, CancellationToken, Task<IReadOnlyList<TResult>>> _write;
    private readonly Func<TRequest, int> _weigh;
    private readonly TimeProvider _time;
    private readonly ControllerMetrics _metrics;
    private readonly Channel<Item> _queue;
    private readonly CancellationTokenSource _stopping;
    private readonly Task _pump;

    /// <param name="limits">The bounds.</param>
    /// <param name="write">Writes a batch; the results are in the order of the requests.</param>
    /// <param name="weigh">How many items a request counts for.</param>
    /// <param name="time">For the time-out.</param>
    /// <param name="metrics">Counts batches.</param>
    public BatchWriter(
        BatchLimits limits,
        Func<IReadOnlyList<TRequest>, CancellationToken, Task<IReadOnlyList<TResult>>> write,
        Func<TRequest, int> weigh,
        TimeProvider time,
        ControllerMetrics metrics)
    {
        _limits = limits;
        _write = write;
        _weigh = weigh;
        _time = time;
        _metrics = metrics;
        _stopping = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _queue = Channel.CreateBounded<Item>(
            new BoundedChannelOptions(limits.MaxQueued) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });

        // The first caller's context (its grain, its trace) must not become that of every later statement.
        using (ExecutionContext.SuppressFlow())
        {
            _pump = Task.Run(PumpAsync);
        }
    }

    /// <summary>How many requests wait for the next statement.</summary>
    public int Queued => _queue.Reader.Count;

    /// <summary>Has the request written with the next batch. Cancelling gives up waiting, and drops the request where it is still queued.</summary>
    /// <exception cref="StoreUnavailableException">The outcome is unknown.</exception>
    public async Task<TResult> WriteAsync(TRequest request, CancellationToken cancellationToken)
    {
        // Weighed here, so that what a request does to its weigher is its own failure.
        var item = new Item(request, _weigh(request), cancellationToken);
        try
        {
            await _queue.Writer.WriteAsync(item, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            throw new StoreUnavailableException($"the {_limits.Name} writer of this controller is stopping");
        }

        return await item.Result.WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();

        // What is queued is still written, for no longer than one statement may take.
        _stopping.CancelAfter(_limits.Longest);
        await _pump;
        _stopping.Dispose();
    }

    private async Task PumpAsync()
    {
        var batch = new List<Item>();
        while (await _queue.Reader.WaitToReadAsync())
        {
            TakeBatch(batch);
            if (batch.Count > 0)
            {
                await WriteBatchAsync(batch, new Repeats(MostRepeats));
                batch.Clear();
            }
        }
    }

    private void TakeBatch(List<Item> batch)
    {
        var weight = 0;
        while (_queue.Reader.TryPeek(out var next))
        {
            if (batch.Count > 0 && weight + next.Weight > _limits.MaxItems)
            {
                return;
            }

            _queue.Reader.TryRead(out _);
            if (!next.IsAbandoned)
            {
                batch.Add(next);
                weight += next.Weight;
            }
        }
    }

    /// <summary>Answers each of the batch; never fails, or the pump would end.</summary>
    private async Task WriteBatchAsync(List<Item> batch, Repeats repeats)
    {
        try
        {
            await WriteOnceAsync(batch);
        }
        catch (StoreUnavailableException e)
        {
            batch.ForEach(i => i.Fail(e));
        }
        catch (Exception) when (batch.Count > 1 && repeats.TryTake(2))
        {
            var half = batch.Count / 2;
            await WriteBatchAsync(batch[..half], repeats);
            await WriteBatchAsync(batch[half..], repeats);
        }
        catch (Exception e)
        {
            var failure = batch.Count == 1 ? e : new StoreUnavailableException($"too many {_limits.Name} requests of one batch failed", e);
            batch.ForEach(i => i.Fail(failure));
        }
    }

    private async Task WriteOnceAsync(List<Item> batch)
    {
        using var longest = new CancellationTokenSource(_limits.Longest, _time);
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(longest.Token, _stopping.Token);
        using var span = StartSpan(batch);
        var begun = _time.GetTimestamp();
        var requests = batch.ConvertAll(i => i.Request);
        IReadOnlyList<TResult> results;
        try
        {
            results = await _write(requests, cancel.Token);
        }
        catch (OperationCanceledException e) when (cancel.IsCancellationRequested)
        {
            throw new StoreUnavailableException($"a {_limits.Name} statement was not done within {_limits.Longest.TotalSeconds:0.###} s", e);
        }

        _metrics.BatchWritten(_limits.Name, batch.Sum(i => i.Weight), _time.GetElapsedTime(begun));
        if (results.Count != batch.Count)
        {
            throw new InvalidOperationException($"{batch.Count} {_limits.Name} requests got {results.Count} results");
        }

        for (var i = 0; i < batch.Count; i++)
        {
            batch[i].Complete(results[i]);
        }
    }

    /// <summary>The statement is part of the first caller's trace that is recorded, and linked to those of the others.</summary>
    private Activity? StartSpan(List<Item> batch)
    {
        if (!PlaneTrace.Source.HasListeners() || batch.Select(i => i.Caller).Where(c => c is { Recorded: true }).ToList() is not [{ } first, .. var others])
        {
            return null;
        }

        return PlaneTrace.Source.StartActivity($"write {_limits.Name}", ActivityKind.Internal, first.Context, links: others.Select(o => new ActivityLink(o!.Context)))
            ?.SetTag("plane.batch.size", batch.Count);
    }

    /// <summary>How many more statements a batch may have.</summary>
    private sealed class Repeats(int left)
    {
        private int _left = left;

        public bool TryTake(int statements)
        {
            var taken = _left >= statements;
            _left -= taken ? statements : 0;
            return taken;
        }
    }

    private sealed class Item(TRequest request, int weight, CancellationToken cancellationToken)
    {
        // Continuations must run on their callers' schedulers, never within the pump.
        private readonly TaskCompletionSource<TResult> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TRequest Request { get; } = request;

        public int Weight { get; } = weight;

        public Activity? Caller { get; } = PlaneTrace.Source.HasListeners() ? Activity.Current : null;

        public Task<TResult> Result => _result.Task;

        public bool IsAbandoned => cancellationToken.IsCancellationRequested;

        public void Complete(TResult result) => _result.TrySetResult(result);

        public void Fail(Exception e) => _result.TrySetException(e);
    }
}
