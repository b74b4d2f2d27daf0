using Microsoft.Extensions.Logging;

namespace Plane.DroneHost.Guard;

/// <summary>
/// Where nothing runs any more at the agent's end, the guard and the run directory go too; else they stay, for the guard has work and the next agent reads it.
/// </summary>
internal sealed partial class RunDirectoryCleanUp(RunDirectory directory, GuardMonitor guard, ILogger<RunDirectoryCleanUp> logger) : IAsyncDisposable
{
    public async ValueTask DisposeAsync()
    {
        try
        {
            if (!directory.HasLeases && await guard.TryEndAsync())
            {
                directory.Remove();
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogLeftBehind(directory.Root, e.Message);
        }
    }

    [LoggerMessage(EventIds.RunDirectoryCleanUpLeftBehind, LogLevel.Warning, "The run directory {Directory} cannot be removed: {Reason}")]
    private partial void LogLeftBehind(string directory, string reason);
}
