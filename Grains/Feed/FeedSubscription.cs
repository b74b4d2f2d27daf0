namespace Plane.Grains.Feed;

/// <summary>
/// One subscriber's place at a topic, from subscribing until disposed of. Remembers that it was signalled while no caller waited, so a change
/// between two waits isn't lost. One waits at a time; signals come from the feed's loop.
/// </summary>
internal sealed class FeedSubscription : IDisposable
{
    private readonly FeedTable _table;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private TaskCompletionSource<bool>? _waiter;
    private bool _signalled;

    internal FeedSubscription(FeedTable table, Topic topic, TimeProvider time)
    {
        _table = table;
        _time = time;
        Topic = topic;
    }

    public Topic Topic { get; }

    // The neighbours among the topic's subscribers; written under the table's lock alone.
    internal FeedSubscription? Previous { get; set; }

    internal FeedSubscription? Next { get; set; }

    internal bool IsListed { get; set; }

    /// <summary>Whether it was signalled since the last wait or look; forgets it.</summary>
    public bool TakeSignal()
    {
        lock (_gate)
        {
            var signalled = _signalled;
            _signalled = false;
            return signalled;
        }
    }

    /// <summary>True when signalled, now or since the last wait; false after the time.</summary>
    public Task<bool> WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
    {
        TaskCompletionSource<bool> waiter;
        lock (_gate)
        {
            if (_signalled)
            {
                _signalled = false;
                return Task.FromResult(true);
            }

            if (atMost <= TimeSpan.Zero || _table.IsClosed)
            {
                return Task.FromResult(false);
            }

            // Continuations run on the waiting grain's scheduler, not within the feed's loop.
            waiter = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiter = waiter;
        }

        return WaitAsync(waiter, atMost, cancellationToken);
    }

    public void Dispose() => _table.Remove(this);

    internal void Signal()
    {
        lock (_gate)
        {
            // A waiter whose time just ended takes no signal any more: the next wait gets it.
            _signalled = _waiter is null || !_waiter.TrySetResult(true);
            _waiter = null;
        }
    }

    /// <summary>The feed has ended: no caller waits for what cannot come.</summary>
    internal void End()
    {
        lock (_gate)
        {
            _waiter?.TrySetResult(false);
            _waiter = null;
        }
    }

    private async Task<bool> WaitAsync(TaskCompletionSource<bool> waiter, TimeSpan atMost, CancellationToken cancellationToken)
    {
        using var timer = _time.CreateTimer(
            static w => ((TaskCompletionSource<bool>)w!).TrySetResult(false), waiter, atMost, Timeout.InfiniteTimeSpan);
        using var cancelled = cancellationToken.UnsafeRegister(
            static (w, token) => ((TaskCompletionSource<bool>)w!).TrySetCanceled(token), waiter);
        return await waiter.Task;
    }
}
