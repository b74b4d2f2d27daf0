using Microsoft.Extensions.Logging;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.State;
using Plane.DroneHost.Supervision;

namespace Plane.DroneHost.Housekeeping;

/// <summary>Removes what ended backends left behind: stopped containers, output files, rows of the state file.</summary>
internal sealed partial class Pruner(
    DurableState state, RuntimeSet runtimes, DroneOptions options, ILeaseClock clock, DroneMetrics metrics, TimeProvider time, ILogger<Pruner> logger)
{
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await PruneAsync(cancellationToken);
            await Task.Delay(options.PruneEvery, time, cancellationToken);
        }
    }

    internal async Task PruneAsync(CancellationToken cancellationToken)
    {
        await RemoveLeftOversAsync(options.PruneAge, cancellationToken);
        try
        {
            // An ended row keeps its port at rest; it may go when that is over.
            var age = options.PortRest > options.PruneAge ? options.PortRest : options.PruneAge;
            await state.ForgetEndedAsync(clock.Milliseconds - (long)age.TotalMilliseconds, clock.BootId);
        }
        catch (StateUnavailableException e)
        {
            LogNotForgotten(e.Message);
        }
    }

    /// <summary>Removes what the runtimes keep of backends that ended so long ago.</summary>
    internal async Task RemoveLeftOversAsync(TimeSpan age, CancellationToken cancellationToken)
    {
        foreach (var runtime in runtimes.All)
        {
            try
            {
                var removed = await runtime.PruneAsync(age, cancellationToken);
                metrics.Pruned.Add(removed);
                if (removed > 0)
                {
                    LogPruned(removed, runtime.Kind);
                }
            }
            catch (Exception e) when (e is RuntimeUnavailableException or RuntimeFailureException)
            {
                LogNotPruned(runtime.Kind, e.Message);
            }
        }
    }

    [LoggerMessage(EventIds.PrunerPruned, LogLevel.Information, "{Count} left-overs of ended {Kind} backends were removed")]
    private partial void LogPruned(int count, ExecutorKind kind);

    [LoggerMessage(EventIds.PrunerNotPruned, LogLevel.Warning, "The {Kind} runtime could not be pruned: {Reason}")]
    private partial void LogNotPruned(ExecutorKind kind, string reason);

    [LoggerMessage(EventIds.PrunerNotForgotten, LogLevel.Warning, "Ended backends could not be removed from the state file: {Reason}")]
    private partial void LogNotForgotten(string reason);
}
