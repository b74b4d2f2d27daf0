namespace Plane.Storage;

/// <summary>Drones: registration, signs of life, the actions that they carry out, and what a placement needs to know. The rules of <see cref="IPlaneStore"/> hold for each member.</summary>
public interface IDroneStore
{
    /// <summary>
    /// Registers a drone: refuses another instance of a name with a fresh heartbeat and a foreign installation, else gives a new session number. Actions are
    /// counted on from the drone's last one where that is ahead of the store's.
    /// </summary>
    Task<RegistrationReply> RegisterDroneAsync(DroneRegistration registration, ControllerName controller, CancellationToken cancellationToken);

    /// <summary>Records a sign of life with its (instance id, boot id, reading).</summary>
    Task<SessionState> HeartbeatDroneAsync(DroneHeartbeat heartbeat, ControllerName controller, CancellationToken cancellationToken);

    /// <summary>Whether a session is still current.</summary>
    Task<SessionState> ReadSessionAsync(DroneSession session, CancellationToken cancellationToken);

    /// <summary>Unacknowledged actions after a number, in order; at most so many, and fewer where their orders are large, but never none while there is one.</summary>
    Task<ActionPage> ReadActionsAsync(DroneSession session, long after, int limit, CancellationToken cancellationToken);

    /// <summary>Acknowledges all actions up to a number. They are deleted with it: an order may hold a registry's password.</summary>
    Task<SessionState> AcknowledgeActionsAsync(DroneSession session, long upTo, CancellationToken cancellationToken);

    /// <summary>Sets or ends the draining of a drone; with <paramref name="terminate"/> also queues the soft end of what runs there, in the same transaction.</summary>
    Task<ChangeOutcome> SetDrainingAsync(ClusterName cluster, DroneName drone, bool draining, bool terminate, CancellationToken cancellationToken);

    /// <summary>The address of a drone's <see cref="IDroneInspector"/>, as its last heartbeats had it; null where it has none or there is no such drone.</summary>
    Task<string?> FindInspectorAsync(ClusterName cluster, DroneName drone, CancellationToken cancellationToken);

    /// <summary>Drones that may take a new backend now, with their load. A hint: <see cref="IKeyStore.AcquireAsync"/> checks again.</summary>
    Task<IReadOnlyList<DroneCandidate>> ListCandidatesAsync(ClusterName cluster, CancellationToken cancellationToken);

    /// <summary>The clusters that drones, proxies or live backends are of, in their order.</summary>
    Task<IReadOnlyList<ClusterName>> ListClustersAsync(CancellationToken cancellationToken);

    /// <summary>The cluster's drones, and its proxies that were heard of lately.</summary>
    Task<ClusterState> ReadClusterAsync(ClusterName cluster, CancellationToken cancellationToken);
}
