namespace Plane.Drone.Session;

/// <summary>How a call to the controller fails, and how long to wait before the next.</summary>
internal static class ControllerCall
{
    /// <summary>
    /// Whether a call failed so that it is made again. Any failure is one: what isn't an unknown outcome (<see cref="CallFailed"/>) is an exception of the grain,
    /// such as a database that is away, and refusals are no exceptions.
    /// </summary>
    public static bool IsFailure(Exception e, CancellationToken stopping) =>
        CallFailed.IsUnknownOutcome(e) || !(e is OperationCanceledException && stopping.IsCancellationRequested);

    /// <summary>Makes a call and gives it up after a time.</summary>
    /// <exception cref="TimeoutException">The time is over; the outcome is unknown.</exception>
    public static async Task<T> WithinAsync<T>(Func<CancellationToken, Task<T>> call, TimeSpan limit, TimeProvider time, CancellationToken cancellationToken)
    {
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var task = call(giveUp.Token);
        try
        {
            return await task.WaitAsync(limit, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            await giveUp.CancelAsync();
            throw;
        }
        finally
        {
            // An abandoned call's failure is known to be unknown: it must not surface as unobserved.
            _ = task.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        }
    }
}
