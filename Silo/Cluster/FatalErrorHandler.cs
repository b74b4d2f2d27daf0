using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Plane.Hosting.Running;
using Plane.Hosting;

namespace Plane.Silo.Cluster;

/// <summary>
/// Ends the controller when its silo must not continue, most often because the others have declared it dead while it was stopped or cut off. It logs the reason and exits with a code, so that
/// the supervisor starts another; Orleans' own handler aborts the process with a dump of the stack. A graceful handover may take long and is not needed: the others have taken over.
/// </summary>
internal sealed partial class FatalErrorHandler(HostExit exit, TimeProvider time, ILogger<FatalErrorHandler> logger) : IFatalErrorHandler, IDisposable
{
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(3);

    private readonly Lock _lock = new();
    private ITimer? _end;

    public bool IsUnexpected(Exception exception) => exception is not ThreadAbortException;

    public void OnFatalException(object? sender, string? context, Exception? exception)
    {
        lock (_lock)
        {
            if (_end is not null)
            {
                return;
            }

            _end = time.CreateTimer(_ => Environment.Exit(ExitCodes.Refused), null, s_grace, Timeout.InfiniteTimeSpan);
        }

        var reason = exception is null
            ? "the other controllers have declared this one dead, because it did not answer them; start it again"
            : $"the silo cannot continue: {exception.Message}";
        LogFatal(logger, exception, reason, sender?.GetType().Name ?? "", context ?? "");
        exit.Request(ExitCodes.Refused, reason);
    }

    // The host has ended in time.
    public void Dispose() => _end?.Dispose();

    [LoggerMessage(EventIds.FatalErrorHandlerFatal, LogLevel.Critical, "{Reason} ({Sender}: {Context})")]
    private static partial void LogFatal(ILogger logger, Exception? exception, string reason, string sender, string context);
}
