using Microsoft.Extensions.Logging;
using Plane.DroneHost.Housekeeping;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.State;

namespace Plane.DroneHost.Supervision;

/// <summary>Ends all backends before the agent stops, where its options say so. What does not end in time is logged and left to the guard and the next start.</summary>
internal sealed partial class EndOnStop(
    DroneOptions options, BackendSet backends, DurableState state, RuntimeSet runtimes, Pruner pruner, TimeProvider time, ILogger<EndOnStop> logger)
{
    private const int MostNamed = 20;

    private static readonly TimeSpan s_lastReport = TimeSpan.FromSeconds(2);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        LogEnding(backends.Count);
        backends.EndAll(options.StopGrace);
        try
        {
            await backends.WhenEmptyAsync().WaitAsync(options.StopGrace + options.EndLimit, time, cancellationToken);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            // A runtime that doesn't answer, or a process that hangs in the kernel, must not keep the program.
            var left = backends.All.Select(b => b.Identity.Backend.Value).Order(StringComparer.Ordinal).ToList();
            LogLeft(left.Count, string.Join(", ", left.Take(MostNamed)));
        }

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
            catch (Exception e) when (e is RuntimeUnavailableException or TimeoutException or OperationCanceledException)
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

    [LoggerMessage(
        EventIds.EndOnStopLeft,
        LogLevel.Error,
        "The drone stops, and the end of {Count} backends is not confirmed: {Backends}. What still runs is ended by the next start of the drone, or by the guard when the leases expire")]
    private partial void LogLeft(int count, string backends);

    [LoggerMessage(EventIds.EndOnStopNotCompared, LogLevel.Warning, "The {Kind} runtime did not say what is left when the drone ended its backends: {Reason}")]
    private partial void LogNotCompared(ExecutorKind kind, string reason);
}
