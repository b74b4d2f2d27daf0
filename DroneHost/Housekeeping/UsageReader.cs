using Microsoft.Extensions.Logging;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Supervision;

namespace Plane.DroneHost.Housekeeping;

/// <summary>Reads what backends use, for the meters and for those who ask about one.</summary>
internal sealed partial class UsageReader(
    BackendSet backends, RuntimeSet runtimes, DroneOptions options, DroneMetrics metrics, UsageHistory history, TimeProvider time, ILogger<UsageReader> logger)
{
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var usage = new List<BackendUsage>();
            foreach (var runtime in runtimes.All)
            {
                var running = backends.All.Where(b => b.Kind == runtime.Kind && b.IsRunning).Select(b => b.Identity).ToList();
                try
                {
                    if (running.Count > 0)
                    {
                        usage.AddRange(await runtime.ReadUsageAsync(running, cancellationToken));
                    }
                }
                catch (Exception e) when (e is RuntimeUnavailableException or RuntimeFailureException)
                {
                    LogNoUsage(runtime.Kind, e.Message);
                }
            }

            metrics.SetUsage(usage);
            history.Add(usage);
            await Task.Delay(options.UsageEvery, time, cancellationToken);
        }
    }

    [LoggerMessage(EventIds.UsageReaderNoUsage, LogLevel.Warning, "The {Kind} runtime does not say what backends use: {Reason}")]
    private partial void LogNoUsage(ExecutorKind kind, string reason);
}
