namespace Plane;

/// <summary>
/// The keys of warm backends that are not claimed. Each holds one like any other backend, with a lease and a fencing token, so that whatever ends a backend without a
/// lease ends it too. No request may name such a key.
/// </summary>
public static class PoolKey
{
    /// <summary>What namespaces that are Plane's own begin with.</summary>
    public const string Reserved = ".plane/";

    /// <summary>What the namespaces of pools begin with; the service follows.</summary>
    public const string Prefix = Reserved + "warm/";

    /// <summary>Whether a backend that is started with this key waits for a claim.</summary>
    /// <param name="key">The key.</param>
    public static bool Is(KeyConfig key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return key.Namespace.StartsWith(Prefix, StringComparison.Ordinal);
    }
}
