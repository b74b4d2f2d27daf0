namespace Plane.Grains;

/// <summary>
/// Tasks that several callers wait for, each only as long as it likes. When all of them have gone and the task fails then, nobody is left to see it; an
/// unseen failure is a defect and ends the host, this one is not.
/// </summary>
internal static class Observing
{
    /// <summary>The task itself; its failure is told to those who wait, and counts as seen also where nobody does.</summary>
    public static Task<T> Observed<T>(this Task<T> task)
    {
        // Reading the exception is what marks it as seen. The continuation cannot fail and ends with the task: it needs no owner.
        _ = task.ContinueWith(
            static t => _ = t.Exception,
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        return task;
    }
}
