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
    public static string Certificate(ClusterName cluster) => Shard(SHA256.HashData(Encoding.UTF8.GetBytes(cluster.Value))[0] % CertificateShards);

    /// <summary>Whether a key is one of <see cref="Lease"/>.</summary>
    public static bool IsLease(string key, ClusterName cluster, DroneName drone) => Enumerable.Range(0, LeaseShards).Any(i => key == Lease(cluster, drone, i));

    /// <summary>Whether a key is one of <see cref="Route"/>.</summary>
    public static bool IsRoute(string key) => key is ['r', var shard] && (char.IsAsciiLetterOrDigit(shard) || shard is '-' or '_');

    /// <summary>Whether a key is one of <see cref="Certificate"/>.</summary>
    public static bool IsCertificate(string key) => Enumerable.Range(0, CertificateShards).Any(i => key == Shard(i));

    private static string Shard(int shard) => string.Create(CultureInfo.InvariantCulture, $"c{shard:x2}");
}
