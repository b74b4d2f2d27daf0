using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Plane;

/// <summary>How grains are addressed. Keys reach logs and traces, so none holds a secret.</summary>
public static class GrainKeys
{
    /// <summary>The number of grains that a drone spreads its renewals over.</summary>
    public const int LeaseShards = 8;

    /// <summary>The number of grains that answer for the clusters' TXT values.</summary>
    public const int CertificateShards = 64;

    /// <summary>The key of an <see cref="IDroneGrain"/>.</summary>
    public static string Drone(ClusterName cluster, DroneName drone) => $"{cluster}/{drone}";

    /// <summary>The key of an <see cref="ILeaseGrain"/>: another one for each attempt, so that a retry isn't bound to a gateway that died or stands still.</summary>
    public static string Lease(ClusterName cluster, DroneName drone, int attempt) =>
        string.Create(CultureInfo.InvariantCulture, $"{cluster}/{drone}/{attempt % LeaseShards}");

    /// <summary>
    /// The key of an <see cref="IRouteGrain"/>: a shard of the token's hash (<see cref="BearerToken.Hash"/>), another one for each attempt, so that a retry isn't bound to
    /// a gateway that died or stands still.
    /// </summary>
    public static string Route(string tokenHash, int attempt = 0) => "r" + tokenHash[attempt % tokenHash.Length];

    /// <summary>
    /// The key of an <see cref="ICertificateGrain"/>: a shard of the cluster's hash. Anyone may ask a DNS server for invented clusters, so a cluster has no
    /// grain of its own.
    /// </summary>
    public static string Certificate(ClusterName cluster) => string.Create(
        CultureInfo.InvariantCulture, $"c{SHA256.HashData(Encoding.UTF8.GetBytes(cluster.Value))[0] % CertificateShards:x2}");
}
