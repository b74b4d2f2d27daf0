using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Plane;

/// <summary>
/// The keys of warm backends that are not claimed. Each holds one like any other backend, with a lease and a fencing token, so that whatever ends a backend without a
/// lease ends it too. No request may name such a key (<see cref="ServiceKeys.IsReserved"/>).
/// </summary>
public static class PoolKey
{
    /// <summary>What the namespaces of pools begin with; the service follows.</summary>
    public const string Prefix = ServiceKeys.Reserved + "warm/";

    private const int ClusterDigits = 16;

    /// <summary>
    /// The key of one place of a pool. There are as many places as warm backends are wanted, and a key has one holder: so controllers that fill a pool at the same time start no backend
    /// too many.
    /// </summary>
    /// <param name="service">The service.</param>
    /// <param name="version">Its version: backends of another one are in places of their own.</param>
    /// <param name="cluster">The cluster.</param>
    /// <param name="place">The number of the place, from 0.</param>
    public static KeyConfig Of(ServiceName service, long version, ClusterName cluster, int place)
    {
        // A cluster's name may be longer than a key's.
        var digits = Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(cluster.Value)))[..ClusterDigits];
        return new KeyConfig { Namespace = Prefix + service.Value, Name = string.Create(CultureInfo.InvariantCulture, $"{version}.{digits}.{place}") };
    }

    /// <summary>The number of the place that a key of a pool is of; -1 where it is not one.</summary>
    /// <param name="name">The key's name.</param>
    public static int PlaceOf(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return int.TryParse(name.AsSpan(name.LastIndexOf('.') + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var place) ? place : -1;
    }

    /// <summary>Whether a backend that is started with this key waits for a claim.</summary>
    /// <param name="key">The key.</param>
    public static bool Is(KeyConfig key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return key.Namespace.StartsWith(Prefix, StringComparison.Ordinal);
    }
}
