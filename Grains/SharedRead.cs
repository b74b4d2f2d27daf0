namespace Plane.Grains;

/// <summary>
/// One read at a time, however many callers ask at once: a caller gets what was read after it asked. A read is not cancelled by the caller that happened to begin it, since
/// others wait for it too; the store bounds its statements. Any number of threads.
/// </summary>
internal sealed class SharedRead<T>(Func<Task<T>> read, TimeProvider time)
{
    private readonly Lock _lock = new();
    private Task<T>? _last;
    private long _begunAt;

    /// <summary>The read that runs now, or null.</summary>
    public Task<T>? Running
    {
        get
        {
            lock (_lock)
            {
                return _last is { IsCompleted: false } running ? running : null;
            }
        }
    }

    /// <summary>What was read from now on: callers that come while a read runs wait for its end and share the next one.</summary>
    public async Task<T> ReadAsync(CancellationToken cancellationToken)
    {
        var asked = time.GetTimestamp();
        if (Running is { } running)
        {
            // Its failure is the answer of the callers that asked for it.
            await ((Task)running).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
        }

        return await ReadSince(asked).WaitAsync(cancellationToken);
    }

    /// <summary>The read that began at a moment or later; begins one where there is none.</summary>
    /// <param name="asked">The moment, of the same clock.</param>
    public Task<T> ReadSince(long asked)
    {
        lock (_lock)
        {
            if (_last is null || _begunAt < asked)
            {
                _begunAt = time.GetTimestamp();
                _last = read();
            }

            return _last;
        }
    }
}
