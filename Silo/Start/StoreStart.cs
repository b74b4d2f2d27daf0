using Microsoft.Extensions.Logging;
using Plane.Hosting.Running;
using Plane.Storage;

namespace Plane.Silo.Start;

/// <summary>
/// Initialises the store before anything else starts: no grain, sweep or gateway ever meets one that isn't. A database that refuses ends the start. One that is
/// away is waited for, until it is cancelled, since the controller is often started together with it; meanwhile a small server says so on the controller's port.
/// </summary>
internal sealed partial class StoreStart(IStore store, ControllerOptions options, TimeProvider time, ILogger<StoreStart> logger) : LifecycleService
{
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(1);

    public override async Task StartingAsync(CancellationToken cancellationToken)
    {
        WaitingServer? waiting = null;
        var reason = "";
        var outage = new Outage(time);
        try
        {
            while (true)
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
                    Volatile.Write(ref reason, e.Message);
                    if (outage.ShouldLog(e.Message))
                    {
                        LogWaiting(logger, e.IsRefusal ? "refuses this controller" : "cannot be used yet", e.Message);
                    }
                }

                // Without a fixed port no caller knows where to ask.
                waiting ??= options.Port == 0 ? null : await WaitingServer.StartAsync(options, () => Volatile.Read(ref reason), cancellationToken);
                await Task.Delay(s_retry, time, cancellationToken);
            }

            if (outage.End())
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

    [LoggerMessage(EventIds.StoreStartWaiting, LogLevel.Warning, "The database {State}, trying again every second: {Reason}")]
    private static partial void LogWaiting(ILogger logger, string state, string reason);

    [LoggerMessage(EventIds.StoreStartReached, LogLevel.Information, "The database can be used.")]
    private static partial void LogReached(ILogger logger);
}
