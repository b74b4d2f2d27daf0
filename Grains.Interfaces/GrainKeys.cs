using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Plane;

/// <summary>How grains are addressed. Keys reach logs and traces, so none holds a secret.</summary>
public static class GrainKeys
{
    /// <summary>How many keys of an <see cref="IReachable"/> grain a caller has at a time; it may take others, up to <see cref="MaxWay"/>.</summary>
    public const int Ways = 8;

    /// <summary>The greatest number in a key of an <see cref="IReachable"/> grain.</summary>
    public const int MaxWay = 9_999;

    /// <summary>The number of grains that answer for the clusters' TXT values.</summary>
    public const int CertificateShards = 64;

    /// <summary>A key of an <see cref="IDroneGrain"/>.</summary>
    public static string Drone(ClusterName cluster, DroneName drone, int way = 0) => Numbered($"{cluster}/{drone}", way);

    /// <summary>A key of an <see cref="ILeaseGrain"/>.</summary>
    public static string Lease(ClusterName cluster, DroneName drone, int way) => string.Create(CultureInfo.InvariantCulture, $"{cluster}/{drone}/{way}");

    /// <summary>A key of an <see cref="IProxyGrain"/>.</summary>
    public static string Proxy(ProxyName proxy, int way = 0) => Numbered(proxy.Value, way);

    /// <summary>A key of an <see cref="IRouteGrain"/>.</summary>
    public static string Route(int way = 0) => string.Create(CultureInfo.InvariantCulture, $"r{way}");

    /// <summary>A key of an <see cref="IServiceGrain"/>. Visitors may invent names of services, so a service has no grain of its own.</summary>
    public static string Service(int way = 0) => string.Create(CultureInfo.InvariantCulture, $"s{way}");

    /// <summary>What a key says without the number of the way.</summary>
    public static string WithoutWay(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        var slash = key.LastIndexOf('/');
        return slash > 0 && IsWay(key.AsSpan(slash + 1)) && key[slash + 1] != '0' ? key[..slash] : key;
    }

    /// <summary>
    /// The key of an <see cref="ICertificateGrain"/>: a shard of the cluster's hash. Anyone may ask a DNS server for invented clusters, so a cluster has no
    /// grain of its own.
    /// </summary>
    public static string Certificate(ClusterName cluster) => Shard(SHA256.HashData(Encoding.UTF8.GetBytes(cluster.Value))[0] % CertificateShards);

    /// <summary>Whether a key is one of <see cref="Lease"/>.</summary>
    public static bool IsLease(string key, ClusterName cluster, DroneName drone)
    {
        ArgumentNullException.ThrowIfNull(key);
        var slash = key.LastIndexOf('/');
        return slash > 0 && IsWay(key.AsSpan(slash + 1)) && key[..slash] == $"{cluster}/{drone}";
    }

    /// <summary>Whether a key is one of <see cref="Route"/>.</summary>
    public static bool IsRoute(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return key.StartsWith('r') && IsWay(key.AsSpan(1));
    }

    /// <summary>Whether a key is one of <see cref="Service"/>.</summary>
    public static bool IsService(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return key.StartsWith('s') && IsWay(key.AsSpan(1));
    }

    /// <summary>Whether a key is one of <see cref="Certificate"/>.</summary>
    public static bool IsCertificate(string key) => Enumerable.Range(0, CertificateShards).Any(i => key == Shard(i));

    private static bool IsWay(ReadOnlySpan<char> text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var way) && way <= MaxWay && (text[0] != '0' || text.Length == 1);

    private static string Shard(int shard) => string.Create(CultureInfo.InvariantCulture, $"c{shard:x2}");

    // The first has no number: it is the one that controllers of an earlier version know.
    private static string Numbered(string name, int way) =>
        way == 0 ? name : string.Create(CultureInfo.InvariantCulture, $"{name}/{way}");
}
