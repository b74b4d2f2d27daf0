namespace Plane.Proxy.Controller;

/// <summary>How a call is waited for that may be left alone.</summary>
internal static class CallWaits
{
    /// <summary>Waits for the call or the cancellation. A call that fails after its caller has left is nobody's failure: it is looked at here.</summary>
    public static Task<T> OrLeaveAsync<T>(this Task<T> call, CancellationToken cancellationToken)
    {
        call.Leave();
        return call.WaitAsync(cancellationToken);
    }

    /// <summary>Whatever becomes of the task, nobody need look at it.</summary>
    public static void Leave(this Task task) =>
        task.ContinueWith(
            static t => _ = t.Exception,
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
}
