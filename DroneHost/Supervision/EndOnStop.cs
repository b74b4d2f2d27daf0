using Microsoft.Extensions.Logging;
using Plane.DroneHost.Housekeeping;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.State;

namespace Plane.DroneHost.Supervision;

/// <summary>Ends all backends before the agent stops, where its options say so.</summary>
internal sealed partial class EndOnStop(
    DroneOptions options, BackendSet backends, DurableState state, RuntimeSet runtimes, Pruner pruner, TimeProvider time, ILogger<EndOnStop> logger)
{
    private static readonly TimeSpan s_lastReport = TimeSpan.FromSeconds(2);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        LogEnding(backends.Count);
        backends.EndAll(options.StopGrace);
        await Task.WhenAny(backends.WhenEmptyAsync(), Task.Delay(Timeout.InfiniteTimeSpan, time, cancellationToken));

        // The controller hears of it at once instead of after the leases have expired, if it is there to hear.
        var start = time.GetTimestamp();
        while (!cancellationToken.IsCancellationRequested && time.GetElapsedTime(start) < s_lastReport && (await state.ReadOutboxAsync(1)).Count > 0)
        {
            await Task.WhenAny(Task.Delay(TimeSpan.FromMilliseconds(20), time, cancellationToken));
        }

        // What an operator copied or started meanwhile must not outlive a program that ends its backends.
        foreach (var runtime in runtimes.All)
        {
            try
            {
                await TimeLimit.WithinAsync(c => runtime.EndUnsupervisedAsync(b => backends.Find(b) is not null, c), options.StopGrace, time, cancellationToken);
            }
            catch (Exception e) when (e is RuntimeUnavailableException or TimeoutException)
            {
                LogNotCompared(runtime.Kind, e.Message);
            }
        }

        if (options.PruneOnStop && !cancellationToken.IsCancellationRequested)
        {
            await pruner.RemoveLeftOversAsync(TimeSpan.Zero, cancellationToken);
        }
    }

    [LoggerMessage(EventIds.EndOnStopEnding, LogLevel.Information, "Ending {Count} backends with the agent")]
    private partial void LogEnding(int count);

    [LoggerMessage(EventIds.EndOnStopNotCompared, LogLevel.Warning, "The {Kind} runtime did not say what is left when the drone ended its backends: {Reason}")]
    private partial void LogNotCompared(ExecutorKind kind, string reason);
}
