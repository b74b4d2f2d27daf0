using Microsoft.Extensions.Logging;
using Plane.DroneHost.Guard;
using Plane.DroneHost.Ports;
using Plane.DroneHost.State;

namespace Plane.DroneHost.Supervision;

/// <summary>What every supervisor works with.</summary>
internal sealed record SupervisionParts(
    DroneOptions Options,
    DurableState State,
    RuntimeSet Runtimes,
    LeaseDirectory Leases,
    PortAllocator Ports,
    HttpProbe Probe,
    ClaimCall Claims,
    ILeaseClock Clock,
    TimeProvider Time,
    DroneMetrics Metrics,
    ILogger<BackendSupervisor> Logger)
{
    public LeaseOptions Numbers => State.Numbers;

    /// <summary>How long a runtime may take to confirm a kill before the processes are killed directly: 2 of the 5 s that a kill may take.</summary>
    public TimeSpan KillConfirm => Numbers.Kill * 0.4;
}
