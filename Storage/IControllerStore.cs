using System.Net;

namespace Plane.Storage;

/// <summary>The controllers that share the database. The rules of <see cref="IPlaneStore"/> hold for each member.</summary>
public interface IControllerStore
{
    /// <summary>
    /// Reads which cluster of controllers the database belongs to; the first controller that asks pins its own. Two clusters on one database would each sweep and
    /// decide for the other's drones.
    /// </summary>
    /// <param name="clusterId">The controller's cluster.</param>
    /// <param name="serviceId">Its service.</param>
    /// <param name="silo">The address that its silo is known by. What a clock that was ahead has left in the membership table is corrected for it.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task<PinnedCluster> PinClusterAsync(string clusterId, string serviceId, IPEndPoint silo, CancellationToken cancellationToken);

    /// <summary>
    /// Records that a controller lives, and answers the time by the store's clock. The first sign of life after a gap is noted: what proxies could not report
    /// in it must not end anything (<see cref="ISweepStore.SweepIdleAsync"/>).
    /// </summary>
    Task<DateTimeOffset> HeartbeatControllerAsync(ControllerName controller, string version, string hash, CancellationToken cancellationToken);
}
