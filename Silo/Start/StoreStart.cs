using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.Grains.Storage;
using Plane.Hosting;

namespace Plane.Silo.Start;

/// <summary>
/// Initialises the store before anything else starts: no grain, sweep or gateway ever meets one that isn't. A database that refuses ends the start. One that is
/// away is waited for, for ever, since the controller is often started together with it; meanwhile a small server says so on the controller's port.
/// </summary>
internal sealed partial class StoreStart(IPlaneStore store, SiloOptions options, TimeProvider time, ILogger<StoreStart> logger) : IHostedLifecycleService
{
    /// <summary>Every so many attempts the wait is logged again.</summary>
    private const int LogEvery = 30;

    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(1);

    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        WaitingServer? waiting = null;
        try
        {
            for (var attempt = 0; ; attempt++)
            {
                try
                {
                    await store.InitializeAsync(cancellationToken);
                    break;
                }
                catch (StoreRefusedException e)
                {
                    throw new StartRefusedException($"the database cannot be used: {e.Message}");
                }
                catch (StoreUnavailableException e)
                {
                    if (attempt % LogEvery == 0)
                    {
                        LogWaiting(logger, e.Message);
                    }
                }

                // Without a fixed port nobody knows where to ask.
                waiting ??= options.Port == 0 ? null : await WaitingServer.StartAsync(options, cancellationToken);
                await Task.Delay(s_retry, time, cancellationToken);
            }

            if (waiting is not null)
            {
                LogReached(logger);
            }
        }
        finally
        {
            if (waiting is not null)
            {
                await waiting.DisposeAsync();
            }
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(6101, LogLevel.Warning, "the database cannot be reached, trying again every second: {Reason}")]
    private static partial void LogWaiting(ILogger logger, string reason);

    [LoggerMessage(6102, LogLevel.Information, "the database answers")]
    private static partial void LogReached(ILogger logger);
}
