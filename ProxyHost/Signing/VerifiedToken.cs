using Plane.ProxyHost.Routes;

namespace Plane.ProxyHost.Signing;

/// <summary>A token whose signature and claims are good: who visits, which keys it opens, and until when. Immutable; made once for all requests of a visitor.</summary>
internal sealed class VerifiedToken
{
    private readonly ServiceName _service;
    private readonly (string Label, KeyConfig Key)[] _named;

    /// <summary>Makes it of claims that <see cref="TokenVerifier"/> has checked.</summary>
    /// <param name="key">The key that it is signed by.</param>
    /// <param name="service">The service that it is for.</param>
    /// <param name="claims">Its claims.</param>
    /// <param name="validUntil">When it is no longer accepted, in milliseconds since the Unix epoch.</param>
    public VerifiedToken(VerificationKey key, ServiceName service, TokenClaims claims, long validUntil)
    {
        SignedBy = key;
        _service = service;
        ValidUntil = validUntil;
        Expires = DateTimeOffset.UnixEpoch.AddSeconds(claims.Expires!.Value);
        Username = claims.Subject is { } subject ? HeaderText.Encode(subject) : null;
        UserData = claims.Auth?.Text;
        Scope = new KeyScope
        {
            Namespace = claims.Namespace,
            Names = claims.Key is { } one ? [one] : [.. claims.Keys.Where(static k => !k.EndsWith('*'))],
            Prefixes = [.. claims.Keys.Where(static k => k.EndsWith('*')).Select(static k => k[..^1])],
        };
        _named = [.. Scope.Names.Select(name => new KeyConfig { Name = name, Namespace = claims.Namespace }).Select(named => (ServiceLabel.Of(service, named), named))];
    }

    /// <summary>The key that it is signed by: without it the token is worth nothing.</summary>
    public VerificationKey SignedBy { get; }

    /// <summary>The service that it is for.</summary>
    public string Service => _service.Value;

    /// <summary>When it is no longer accepted, in milliseconds since the Unix epoch: its expiry and the allowed difference of clocks.</summary>
    public long ValidUntil { get; }

    /// <summary>Its <c>exp</c>.</summary>
    public DateTimeOffset Expires { get; }

    /// <summary>The visitor as a header value, or null.</summary>
    public string? Username { get; }

    /// <summary>The JSON object for the backend, or null.</summary>
    public string? UserData { get; }

    /// <summary>The keys that it opens.</summary>
    public KeyScope Scope { get; }

    /// <summary>The key of a label, where the token names it in full, or null: so a key is entered of which no controller has heard.</summary>
    public KeyConfig? KeyOf(string label)
    {
        foreach (var (its, key) in _named)
        {
            if (its == label)
            {
                return key;
            }
        }

        return null;
    }

    /// <summary>Whether it opens this key, as the service's callers name it.</summary>
    public bool Opens(KeyConfig key) => Scope.Has(key);

    /// <summary>Whether it names keys by how they begin: one with a label that is a hash may be among them.</summary>
    public bool HasPrefixes => Scope.Prefixes.Length > 0;

    /// <summary>The service alone: the rest is personal.</summary>
    public override string ToString() => $"token for {Service}";
}
