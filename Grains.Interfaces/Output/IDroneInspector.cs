using Orleans;
using Orleans.Concurrency;

namespace Plane;

/// <summary>
/// What a drone shows of its backends when a controller asks. A drone has no listening port: it is a client of the cluster, and this is an object of that client, which a controller calls through
/// whichever gateway the drone is connected to. Its address comes with the drone's heartbeats (<see cref="DroneHeartbeat.Inspector"/>) and is stored with the drone, so that any controller finds it.
/// </summary>
[Alias("plane.IDroneInspector")]
public interface IDroneInspector : IGrainObserver
{
    /// <summary>Lines that a backend wrote.</summary>
    /// <param name="request">Which.</param>
    [Alias("ReadOutput"), AlwaysInterleave]
    Task<OutputPage> ReadOutput(OutputRequest request);

    /// <summary>What a backend used in the last hour; no points where the drone does not run it.</summary>
    /// <param name="backend">Which.</param>
    [Alias("ReadUsage"), AlwaysInterleave]
    Task<UsagePage> ReadUsage(BackendIdentity backend);

    /// <summary>The backends that used the most CPU at the latest reading, the busiest first.</summary>
    /// <param name="most">How many, 1 to <see cref="BusyBackend.MaxRows"/>.</param>
    [Alias("ReadBusiest"), AlwaysInterleave]
    Task<BusyBackend[]> ReadBusiest(int most);
}
