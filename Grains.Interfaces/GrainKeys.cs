using System.Globalization;

namespace Plane;

/// <summary>How grains are addressed. Keys reach logs and traces, so none holds a secret.</summary>
public static class GrainKeys
{
    /// <summary>The number of grains that a drone spreads its renewals over.</summary>
    public const int LeaseShards = 8;

    /// <summary>The key of an <see cref="IDroneGrain"/>.</summary>
    public static string Drone(ClusterName cluster, DroneName drone) => $"{cluster}/{drone}";

    /// <summary>The key of an <see cref="ILeaseGrain"/>: another one for each attempt, so that a retry isn't bound to a silo that died.</summary>
    public static string Lease(ClusterName cluster, DroneName drone, int attempt) =>
        string.Create(CultureInfo.InvariantCulture, $"{cluster}/{drone}/{attempt % LeaseShards}");

    /// <summary>The key of an <see cref="IRouteGrain"/>: a shard of the token's hash (<see cref="BearerToken.Hash"/>).</summary>
    public static string Route(string tokenHash) => "r" + tokenHash[..1];
}
