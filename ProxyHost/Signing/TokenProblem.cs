namespace Plane.ProxyHost.Signing;

/// <summary>Why a signed token opens nothing. A closed set: each is answered in its own words, none of which repeats the token.</summary>
internal enum TokenProblem
{
    /// <summary>It opens what it was shown for.</summary>
    None,

    /// <summary>There is none.</summary>
    Missing,

    /// <summary>Longer than <see cref="TokenVerifier.MaxLength"/>.</summary>
    TooLarge,

    /// <summary>Not a compact JWS with a header that names key and algorithm once.</summary>
    Malformed,

    /// <summary>The service has no key of this <c>kid</c>: never had, or no longer.</summary>
    UnknownKey,

    /// <summary>The header names another algorithm than the key's own, or none.</summary>
    WrongAlgorithm,

    /// <summary>The signature is not the key's.</summary>
    BadSignature,

    /// <summary>A claim is missing, is there twice, or has no valid value.</summary>
    BadClaims,

    /// <summary><c>exp</c> has passed.</summary>
    Expired,

    /// <summary><c>nbf</c> or <c>iat</c> is in the future.</summary>
    NotYetValid,

    /// <summary><c>exp</c> is later than a token may live.</summary>
    LivesTooLong,

    /// <summary><c>aud</c> names another service.</summary>
    OtherService,

    /// <summary>It is for another key than the host's.</summary>
    OtherKey,
}
