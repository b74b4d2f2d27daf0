using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Plane.Acme;

/// <summary>An account's key, ECDSA P-256: signs requests (ES256) and is part of challenge values.</summary>
public sealed class AcmeKey : IDisposable
{
    private readonly ECDsa _key;

    private AcmeKey(ECDsa key)
    {
        _key = key;
        var point = key.ExportParameters(includePrivateParameters: false).Q;

        // The members in this order and without blanks are what the thumbprint is taken over (RFC 7638).
        Jwk = $$"""{"crv":"P-256","kty":"EC","x":"{{Base64Url.EncodeToString(point.X)}}","y":"{{Base64Url.EncodeToString(point.Y)}}"}""";
        Thumbprint = Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(Jwk)));
    }

    /// <summary>The public key as JSON.</summary>
    public string Jwk { get; }

    /// <summary>The hash of the public key (RFC 7638).</summary>
    public string Thumbprint { get; }

    /// <summary>A new key.</summary>
    public static AcmeKey Create() => new(ECDsa.Create(ECCurve.NamedCurves.nistP256));

    /// <summary>A key from PEM.</summary>
    /// <exception cref="CryptographicException">It is not an ECDSA P-256 key.</exception>
    public static AcmeKey FromPem(string pem)
    {
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(pem);
            return key.KeySize == 256 ? new AcmeKey(key) : throw new CryptographicException("not P-256");
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key.Dispose();
            throw new CryptographicException("no ECDSA P-256 key", e);
        }
    }

    /// <summary>The private key as PEM.</summary>
    public string ToPem() => _key.ExportPkcs8PrivateKeyPem();

    /// <summary>An ES256 signature.</summary>
    public byte[] Sign(ReadOnlySpan<byte> data) => _key.SignData(data, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);

    /// <summary>The TXT value that answers a DNS-01 challenge (RFC 8555 section 8.4).</summary>
    public string ChallengeValue(string token) => Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes($"{token}.{Thumbprint}")));

    /// <inheritdoc/>
    public void Dispose() => _key.Dispose();
}
