using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.Grains.Metrics;
using Plane.Storage;

namespace Plane.Grains;

/// <summary>
/// What a silo does by the clock: the sweeps for lost, idle and overdue backends, the clean-up, and the controller's heartbeat. Every silo runs
/// them all, each a loop of its own; the store sees to it that one silo does each at a time, so periods are jittered and a failure is logged and
/// waits for the next turn. The heartbeat also reads the database's clock, whose steps are noticed by that.
/// </summary>
internal sealed partial class SweepService(
    ISweepStore sweeps, IControllerStore controllers, IStore store, GrainOptions options, TimeProvider time, ControllerMetrics metrics, DatabaseClockWatch clock, ILogger<SweepService> log) : BackgroundService
{
    private const string CleanUp = "clean-up";

    private static readonly TimeSpan s_cleanUpEvery = TimeSpan.FromMinutes(1);

    // A statement that hangs must not end the sweeping of this silo for good.
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(30);

    private readonly ILogger _log = log;

    protected override Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var numbers = options.LeaseNumbers;
        return Task.WhenAll(
            LoopAsync("lost", numbers.Sweep, sweeps.SweepLostAsync, stoppingToken),
            LoopAsync("idle", numbers.Sweep, sweeps.SweepIdleAsync, stoppingToken),
            LoopAsync("lifetime", numbers.Sweep, sweeps.SweepLifetimeAsync, stoppingToken),
            LoopAsync(CleanUp, s_cleanUpEvery, t => sweeps.CleanUpAsync(options.KeepEndedBackends, options.KeepLogRows, t), stoppingToken),
            LoopAsync("heartbeat", numbers.Heartbeat, HeartbeatAsync, stoppingToken));
    }

    private async Task<int> HeartbeatAsync(CancellationToken cancellationToken)
    {
        await clock.ReadAsync(() => controllers.HeartbeatControllerAsync(options.ControllerName, options.Version, options.Hash, cancellationToken));
        return 0;
    }

    private async Task LoopAsync(string sweep, TimeSpan period, Func<CancellationToken, Task<int>> run, CancellationToken stoppingToken)
    {
        var failing = new PacedLog(time);
        try
        {
            // The heartbeat is due at once, and so is what became overdue while no controller ran.
            while (!stoppingToken.IsCancellationRequested)
            {
                await RunAsync(sweep, run, failing, stoppingToken);
                await Task.Delay(period * (0.9 + (Random.Shared.NextDouble() / 5)), time, stoppingToken);
            }
        }
        catch (Exception) when (stoppingToken.IsCancellationRequested)
        {
            // Whatever the statement failed with that was cut off, the host would log it as a failure of this service.
            LogEnded(sweep);
        }
    }

    private async Task RunAsync(string sweep, Func<CancellationToken, Task<int>> run, PacedLog failing, CancellationToken stoppingToken)
    {
        using var longest = new CancellationTokenSource(s_longest, time);
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(longest.Token, stoppingToken);
        try
        {
            var rows = await run(cancel.Token);
            metrics.Swept(sweep, "done", rows);
            failing.End();
            if (rows > 0)
            {
                // What is past its time to be kept is cleaned up all the time, and needs no attention.
                LogSwept(sweep == CleanUp ? LogLevel.Debug : LogLevel.Information, sweep, rows);
            }
        }
        catch (Exception e) when (!stoppingToken.IsCancellationRequested)
        {
            metrics.Swept(sweep, "failed", 0);
            // An outage of the database has its own line, and one statement that it ended is made up for by the next turn.
            var isOutside = e is StoreUnavailableException or OperationCanceledException;
            var level = (isOutside && store.Outage is not null) || !failing.IsDue(after: isOutside ? 1 : 0) ? LogLevel.Debug : LogLevel.Warning;
            LogFailed(level, sweep, e.Message, isOutside ? null : e);
        }
    }

    [LoggerMessage(EventId = EventIds.SweepServiceSwept, Message = "Sweep {Sweep} changed {Rows} rows.")]
    private partial void LogSwept(LogLevel level, string sweep, int rows);

    [LoggerMessage(EventId = EventIds.SweepServiceFailed, Message = "Sweep {Sweep} failed and is retried: {Reason}")]
    private partial void LogFailed(LogLevel level, string sweep, string reason, Exception? exception);

    [LoggerMessage(EventIds.SweepServiceEnded, LogLevel.Debug, "Sweep {Sweep} has ended.")]
    private partial void LogEnded(string sweep);
}
