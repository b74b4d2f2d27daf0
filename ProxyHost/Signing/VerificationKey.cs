using System.Buffers.Text;
using System.Security.Cryptography;
using Microsoft.IdentityModel.Tokens;

namespace Plane.ProxyHost.Signing;

/// <summary>One key of a service, ready to verify with. It verifies by its own algorithm alone, whatever a token says: so no public key is ever taken for a shared secret.</summary>
internal sealed class VerificationKey
{
    private VerificationKey(SigningKey key, SecurityKey security)
    {
        Key = key;
        Algorithm = key.Alg.ToString();
        Parameters = new TokenValidationParameters
        {
            IssuerSigningKey = security,
            ValidAlgorithms = [Algorithm],
            TryAllIssuerSigningKeys = false,
            RequireSignedTokens = true,

            // Claims are read and judged by TokenClaims and TokenVerifier.
            ValidateIssuer = false,
            ValidateAudience = false,
            ValidateLifetime = false,
        };
    }

    /// <summary>The key as the controller gave it.</summary>
    public SigningKey Key { get; }

    /// <summary>The name by which tokens choose it.</summary>
    public string Kid => Key.Kid;

    /// <summary>Its JWS algorithm.</summary>
    public string Algorithm { get; }

    /// <summary>By which a signature is verified.</summary>
    public TokenValidationParameters Parameters { get; }

    /// <summary>Makes it ready; null where its material is not a key of its algorithm.</summary>
    public static VerificationKey? From(SigningKey key)
    {
        if (!SigningKeyRules.IsValid(key))
        {
            return null;
        }

        try
        {
            var material = Base64Url.DecodeFromChars(key.Material);
            SecurityKey security = key.Alg switch
            {
                SigningAlgorithm.HS256 => new SymmetricSecurityKey(material),
                SigningAlgorithm.ES256 => new ECDsaSecurityKey(ECDsa.Create(new ECParameters
                {
                    Curve = ECCurve.NamedCurves.nistP256,
                    Q = new ECPoint { X = material[1..33], Y = material[33..] },
                })),
                _ => new Ed25519Key(material),
            };
            security.KeyId = key.Kid;
            return new VerificationKey(key, security);
        }
        catch (CryptographicException)
        {
            // A point that is not on the curve.
            return null;
        }
    }

    /// <summary>Its name alone.</summary>
    public override string ToString() => Key.ToString();
}
