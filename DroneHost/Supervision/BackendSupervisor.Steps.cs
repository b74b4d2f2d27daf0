using Plane.DroneHost.Runtimes;

namespace Plane.DroneHost.Supervision;

/// <summary>How its steps are done.</summary>
internal sealed partial class BackendSupervisor
{
    /// <summary>
    /// Does a step until it is done, the backend is to end, or its runtime has been away for too long at a time: since the first failure after it last answered. A step that doesn't heed its
    /// cancellation is left under way, and waited for before anything is said to be over.
    /// </summary>
    private async Task<(bool Done, T? Value)> StepAsync<T>(string name, Func<CancellationToken, Task<T>> step, CancellationToken stopping)
    {
        long? awaySince = null;
        var backoff = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(2), _parts.Time);
        var outage = new Outage(_parts.Time);
        while (!_signals.HasEnded)
        {
            var cancel = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            var task = BeginAsync(name, step, cancel.Token);
            await Task.WhenAny(Task.WhenAny(task, _signals.Any).WaitAsync(stopping));
            if (!task.IsCompleted)
            {
                await cancel.CancelAsync();

                // An agent that stops waits too, but not for ever: the runtime may have something to clean up.
                await Task.WhenAny(task, Task.Delay(_parts.KillConfirm, _parts.Time, CancellationToken.None));
                if (!task.IsCompleted)
                {
                    _underWay = task.ContinueWith(
                        t => LogStepCut(Identity.Backend, t.Exception?.GetBaseException().Message ?? "late"),
                        CancellationToken.None,
                        TaskContinuationOptions.None,
                        TaskScheduler.Default);
                    stopping.ThrowIfCancellationRequested();
                    return default;
                }
            }

            cancel.Dispose();
            try
            {
                return (true, await task);
            }
            catch (RuntimeUnavailableException e)
            {
                var now = _parts.Time.GetTimestamp();
                if (awaySince is null || Volatile.Read(ref _answeredAt) >= awaySince)
                {
                    awaySince = now;
                }

                if (_parts.Time.GetElapsedTime(awaySince.Value, now) > _parts.Options.RuntimeAwayLimit)
                {
                    throw new RuntimeFailureException($"it could not be started within {_parts.Options.RuntimeAwayLimit.TotalSeconds:0.#} s: {e.Message}", e);
                }

                if (outage.ShouldLog(e.Message))
                {
                    LogRuntimeAway(Identity.Backend, e.Message);
                }

                await Task.WhenAny(backoff.WaitAsync(stopping), _signals.Any);
                stopping.ThrowIfCancellationRequested();
            }
            catch (Exception e) when (_signals.HasEnded && !stopping.IsCancellationRequested)
            {
                // Cancelled, or failed while it was: the end is under way for another reason.
                LogStepCut(Identity.Backend, e.Message);
            }
        }

        return default;
    }

    /// <summary>A runtime of somebody's own may throw before its first await: that is a failure of the step like any other. Each attempt is a span.</summary>
    private static async Task<T> BeginAsync<T>(string name, Func<CancellationToken, Task<T>> step, CancellationToken cancellationToken)
    {
        using var span = PlaneTrace.Source.StartActivity(name);
        try
        {
            return await step(cancellationToken);
        }
        catch (Exception e)
        {
            span.Fail(e);
            throw;
        }
    }

    private static async Task<bool> Nothing(Task task)
    {
        await task;
        return true;
    }
}
