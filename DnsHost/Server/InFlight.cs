namespace Plane.DnsHost.Server;

/// <summary>Counts what is under way, up to a limit, so that a server that stops can wait for its end.</summary>
internal sealed class InFlight(int limit)
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // The server itself counts as one until it stops.
    private int _count = 1;

    public bool TryEnter()
    {
        if (Interlocked.Increment(ref _count) <= limit + 1)
        {
            return true;
        }

        Leave();
        return false;
    }

    public void Leave()
    {
        if (Interlocked.Decrement(ref _count) == 0)
        {
            _ended.SetResult();
        }
    }

    /// <summary>Waits for the end of all. Called once, when nothing enters any more.</summary>
    public Task EndAsync()
    {
        Leave();
        return _ended.Task;
    }
}
