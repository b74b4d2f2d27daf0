using Microsoft.Extensions.Logging;
using Plane.DroneHost.Session;
using Plane.DroneHost.Supervision;
using Plane.Hosting;
using Plane.Hosting.Running;

namespace Plane.DroneHost;

/// <summary>
/// How long the drone's loops run: those that speak to the controller until the agent stops or gives up; the others until the backends are let go too, for deadlines hold until then.
/// Any thread; a second end does nothing.
/// </summary>
internal sealed partial class DroneLife(BackendSet backends, DroneStatus status, HostExit exit, TimeProvider time, ILogger<DroneLife> logger) : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopController = new();
    private readonly CancellationTokenSource _stopLocal = new();
    private readonly List<Task> _loops = [];
    private readonly Lock _gate = new();
    private Task? _givingUp;

    /// <summary>For loops that speak to the controller.</summary>
    public CancellationToken Controller => _stopController.Token;

    /// <summary>For loops that need none.</summary>
    public CancellationToken Local => _stopLocal.Token;

    /// <summary>Waits for a loop at the end.</summary>
    public void Own(Task loop)
    {
        lock (_gate)
        {
            _loops.Add(loop);
        }
    }

    /// <summary>Takes the host down. The first failure counts.</summary>
    public void Fail(Exception failure)
    {
        lock (_gate)
        {
            _givingUp ??= Task.Run(() => GiveUpAsync(failure));
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopController.CancelAsync();
        await backends.DisposeAsync();
        await _stopLocal.CancelAsync();
        Task[] loops;
        lock (_gate)
        {
            loops = [.. _loops, _givingUp ?? Task.CompletedTask];
        }

        await Task.WhenAll(loops);
    }

    /// <summary>
    /// Stops speaking; then, where the drone was refused under its name, stays until the leases of what runs have ended it: no other agent would. An operator's
    /// mistake (a foreign installation) leaves it running for the next start with the right controller, as any stop does.
    /// </summary>
    private async Task GiveUpAsync(Exception failure)
    {
        LogGivingUp(failure.Message);
        status.TakesActions = false;
        await _stopController.CancelAsync();
        if (failure is SessionRefusedException { LeavesBackends: false })
        {
            await Task.WhenAny(backends.WhenEmptyAsync(), Task.Delay(Timeout.InfiniteTimeSpan, time, _stopLocal.Token));
        }

        exit.Request(failure is SessionRefusedException ? ExitCodes.Usage : ExitCodes.Refused, $"the drone stops: {failure.Message}");
    }

    [LoggerMessage(EventIds.DroneLifeGivingUp, LogLevel.Critical, "The drone stops: {Reason}")]
    private partial void LogGivingUp(string reason);
}
