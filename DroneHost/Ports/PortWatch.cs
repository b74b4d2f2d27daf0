using Microsoft.Extensions.Logging;

namespace Plane.DroneHost.Ports;

/// <summary>Says whether there is a port for another backend: at once when one was taken or let go, and while there is none, each second.</summary>
internal sealed partial class PortWatch
{
    private static readonly TimeSpan s_whileShort = TimeSpan.FromSeconds(1);

    private readonly PortAllocator _ports;
    private readonly DroneReadiness _readiness;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Signal _changed = new();
    private bool _isShort;

    /// <summary>Looks at once: nothing is to be said of the drone before.</summary>
    public PortWatch(PortAllocator ports, DroneReadiness readiness, TimeProvider time, ILogger<PortWatch> logger)
    {
        (_ports, _readiness, _time, _logger) = (ports, readiness, time, logger);
        ports.Changed += _changed.Set;
        Look();
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await _changed.WaitAsync(_isShort ? s_whileShort : Timeout.InfiniteTimeSpan, _time, cancellationToken);
            Look();
        }
    }

    private void Look()
    {
        var isShort = _ports.IsShort;
        if (isShort == _isShort)
        {
            return;
        }

        _isShort = isShort;
        if (isShort)
        {
            LogShort();
        }
        else
        {
            LogEnough();
        }

        _readiness.SetShortOfPorts(isShort);
    }

    [LoggerMessage(EventIds.PortWatchShort, LogLevel.Warning, "No port is available: each is in use or was used less than --port-rest ago. This drone takes no backends. Use a larger --port-range or a shorter --port-rest")]
    private partial void LogShort();

    [LoggerMessage(EventIds.PortWatchEnough, LogLevel.Information, "A port is available again: this drone takes backends")]
    private partial void LogEnough();
}
