using System.Collections.Frozen;

namespace Plane.ProxyHost.Signing;

/// <summary>The keys of a service. Those that stayed the same over a change are the same objects, so that tokens verified by them stay verified. Immutable.</summary>
internal sealed class VerificationKeys
{
    private readonly FrozenDictionary<string, VerificationKey> _byKid;

    private VerificationKeys(FrozenDictionary<string, VerificationKey> byKid) => _byKid = byKid;

    /// <summary>No key.</summary>
    public static VerificationKeys None { get; } = new(FrozenDictionary<string, VerificationKey>.Empty);

    /// <summary>Makes the keys ready.</summary>
    /// <param name="keys">The keys as the controller gave them.</param>
    /// <param name="before">The service's keys until now.</param>
    /// <param name="unusable">Called with each that can't be used.</param>
    public static VerificationKeys From(IEnumerable<SigningKey> keys, VerificationKeys before, Action<SigningKey> unusable)
    {
        var byKid = new Dictionary<string, VerificationKey>(StringComparer.Ordinal);
        foreach (var key in keys)
        {
            if (before._byKid.TryGetValue(key.Kid, out var known) && known.Key == key)
            {
                byKid[key.Kid] = known;
            }
            else if (VerificationKey.From(key) is { } ready)
            {
                byKid[key.Kid] = ready;
            }
            else
            {
                unusable(key);
            }
        }

        return new VerificationKeys(byKid.ToFrozenDictionary(StringComparer.Ordinal));
    }

    /// <summary>The key of this name, or null.</summary>
    public VerificationKey? Find(string kid) => _byKid.GetValueOrDefault(kid);

    /// <summary>Whether it is a key of the service still: neither removed nor replaced by another under its name.</summary>
    public bool Has(VerificationKey key) => _byKid.TryGetValue(key.Kid, out var known) && ReferenceEquals(known, key);
}
