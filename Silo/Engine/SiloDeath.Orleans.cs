using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Plane.Hosting;

namespace Plane.Silo;

/// <summary>
/// What Orleans calls when a silo must not go on: most often because the others have declared it dead while it stood still or was cut off. Orleans' own answer is to
/// abort the process with a dump of the stack. Here it says why and ends, so that the supervisor starts another. To hand over what the others have taken already
/// may take long, and is nothing to wait for. What it decides until its end, the database decides, as before.
/// </summary>
internal sealed partial class SiloDeath(HostExit exit, TimeProvider time, ILogger<SiloDeath> logger) : IFatalErrorHandler, IDisposable
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
            ? "the other controllers have declared this one dead, as it did not answer them: it ends, and may be started again"
            : $"the silo cannot go on: {exception.Message}";
        LogFatal(logger, exception, reason, sender?.GetType().Name ?? "", context ?? "");
        exit.Request(ExitCodes.Refused, reason);
    }

    // The host has ended in time.
    public void Dispose() => _end?.Dispose();

    [LoggerMessage(7074, LogLevel.Critical, "{Reason} ({Sender}: {Context})")]
    private static partial void LogFatal(ILogger logger, Exception? exception, string reason, string sender, string context);
}
