namespace Plane.Chaos.Load;

/// <summary>Says when a client asks for a key of the service: about then a backend is claimed.</summary>
internal sealed class ClaimWatch
{
    private volatile TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes with the next one.</summary>
    public Task Next => _next.Task;

    public void Tell()
    {
        var told = Interlocked.Exchange(ref _next, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        told.TrySetResult();
    }
}
