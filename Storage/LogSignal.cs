namespace Plane.Storage;

/// <summary>
/// Tells the reader of the change log that there may be something new. A wake-up while no caller waits completes the next wait, so that a reader that reads
/// between two waits misses nothing.
/// </summary>
internal sealed class LogSignal(TimeProvider time)
{
    private readonly Lock _lock = new();
    private TaskCompletionSource _next = New();
    private bool _pending;

    /// <summary>Something was committed.</summary>
    public void Wake()
    {
        TaskCompletionSource woken;
        lock (_lock)
        {
            woken = _next;
            _next = New();
            _pending = true;
        }

        woken.TrySetResult();
    }

    /// <summary>Completes at the next wake-up, at once where one came since the last wait, and at the latest after the time.</summary>
    public async Task WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Task next;
        lock (_lock)
        {
            if (_pending)
            {
                _pending = false;
                return;
            }

            next = _next.Task;
        }

        // WaitAsync would throw for the timeout, which is the usual way that this ends.
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var delay = Task.Delay(atMost, time, ended.Token);
        if (await Task.WhenAny(next, delay) == next)
        {
            await ended.CancelAsync();
            lock (_lock)
            {
                _pending = false;
            }
        }

        cancellationToken.ThrowIfCancellationRequested();
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
