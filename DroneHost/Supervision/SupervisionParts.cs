using Microsoft.Extensions.Logging;
using Plane.Drone.Guard;
using Plane.Drone.Ports;
using Plane.Drone.State;

namespace Plane.Drone.Supervision;

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
    public LeaseNumbers Numbers => State.Numbers;

    /// <summary>How long a runtime may take to confirm a kill before the processes are killed directly: 2 of the 5 s that a kill may take.</summary>
    public TimeSpan KillConfirm => Numbers.Kill * 0.4;
}
