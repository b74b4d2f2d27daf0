namespace Plane.DroneHost;

/// <summary>Gives calls up that take too long.</summary>
internal static class TimeLimit
{
    /// <summary>Makes a call and gives it up after a time.</summary>
    /// <exception cref="TimeoutException">The time is over; the outcome is unknown.</exception>
    public static Task WithinAsync(Func<CancellationToken, Task> call, TimeSpan limit, TimeProvider time, CancellationToken cancellationToken) => WithinAsync(
        async c =>
        {
            await call(c);
            return true;
        },
        limit,
        time,
        cancellationToken);

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
    }
}
