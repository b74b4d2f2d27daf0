using System.Globalization;
using System.Net.Sockets;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Logging;

namespace Plane.Hosting.Running;

/// <summary>
/// Tells systemd that the process runs, twice in each <c>WatchdogSec</c> of its unit, from the start until the host is disposed of: a process whose threads are stopped or all blocked is ended and started again. The
/// platform's package sends only that a service is ready and that it stops.
/// </summary>
internal sealed partial class SystemdWatchdog(ISystemdNotifier systemd, TimeProvider time, ILogger<SystemdWatchdog> logger) : IHostedService, IDisposable
{
    private ITimer? _timer;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        var limit = Environment.GetEnvironmentVariable("WATCHDOG_USEC");
        if (long.TryParse(limit, NumberStyles.None, CultureInfo.InvariantCulture, out var microseconds) && microseconds > 0)
        {
            var every = TimeSpan.FromMicroseconds(microseconds / 2);
            _timer = time.CreateTimer(_ => Tell(), null, TimeSpan.Zero, every);
        }

        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _timer?.Dispose();

    private void Tell()
    {
        try
        {
            systemd.Notify(new ServiceState("WATCHDOG=1"));
        }
        catch (SocketException e)
        {
            LogNotTold(logger, e.Message);
        }
    }

    [LoggerMessage(EventIds.SystemdWatchdogNotNotified, LogLevel.Warning, "systemd could not be notified that the process runs, and may end it: {Reason}")]
    private static partial void LogNotTold(ILogger logger, string reason);
}
