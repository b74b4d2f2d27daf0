using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Org.BouncyCastle.Crypto.Parameters;
using Org.BouncyCastle.Math.EC.Rfc8032;

namespace Plane.Testing;

/// <summary>An application that signs tokens: with the primitives of the algorithms, not with the library that verifies them.</summary>
public sealed class Signer : IDisposable
{
    private readonly byte[] _secret = RandomNumberGenerator.GetBytes(32);
    private readonly ECDsa _ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly Ed25519PrivateKeyParameters _ed = new(RandomNumberGenerator.GetBytes(32));

    public Signer(SigningAlgorithm alg = SigningAlgorithm.HS256, string? kid = null)
    {
        Alg = alg;
        Kid = kid ?? "k-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4));
    }

    public SigningAlgorithm Alg { get; }

    public string Kid { get; }

    /// <summary>The key as the controller hands it to proxies.</summary>
    public SigningKey Key => new() { Kid = Kid, Alg = Alg, Material = Base64Url.EncodeToString(Material) };

    /// <summary>What a proxy verifies with.</summary>
    public byte[] Material => Alg switch
    {
        SigningAlgorithm.HS256 => _secret,
        SigningAlgorithm.ES256 => [4, .. _ec.ExportParameters(false).Q.X!, .. _ec.ExportParameters(false).Q.Y!],
        _ => _ed.GeneratePublicKey().GetEncoded(),
    };

    /// <summary>Its public key as a JWK.</summary>
    public string Jwk
    {
        get
        {
            var point = _ec.ExportParameters(false).Q;
            return Alg == SigningAlgorithm.ES256
                ? $$"""{"kty":"EC","crv":"P-256","x":"{{Encode(point.X)}}","y":"{{Encode(point.Y)}}"}"""
                : $$"""{"kty":"OKP","crv":"Ed25519","x":"{{Encode(Material)}}"}""";
        }
    }

    /// <summary>The claims of a token for one key that is valid for an hour.</summary>
    public static JsonObject Claims(string service, string? key = "room", DateTimeOffset? now = null)
    {
        var at = now ?? DateTimeOffset.UtcNow;
        var claims = new JsonObject { ["aud"] = service, ["exp"] = at.ToUnixTimeSeconds() + 3600, ["sub"] = "ada" };
        if (key is not null)
        {
            claims["key"] = key;
        }

        return claims;
    }

    public string Sign(JsonObject claims, Action<JsonObject>? header = null)
    {
        var head = new JsonObject { ["alg"] = Alg.ToString(), ["typ"] = "JWT", ["kid"] = Kid };
        header?.Invoke(head);
        return Sign(head.ToJsonString(), claims.ToJsonString());
    }

    /// <summary>Signs what is given, whatever it is.</summary>
    public string Sign(string header, string body)
    {
        var text = $"{Encode(Encoding.UTF8.GetBytes(header))}.{Encode(Encoding.UTF8.GetBytes(body))}";
        return $"{text}.{Encode(SignatureOf(Encoding.ASCII.GetBytes(text)))}";
    }

    public byte[] SignatureOf(byte[] text)
    {
        switch (Alg)
        {
            case SigningAlgorithm.HS256:
                return HMACSHA256.HashData(_secret, text);
            case SigningAlgorithm.ES256:
                return _ec.SignData(text, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
            default:
                var signature = new byte[Ed25519.SignatureSize];
                _ed.Sign(Ed25519.Algorithm.Ed25519, null, text, 0, text.Length, signature, 0);
                return signature;
        }
    }

    /// <summary>The verification alone, by the same library: what no proxy can do without.</summary>
    public bool Verify(byte[] text, byte[] signature) => Alg switch
    {
        SigningAlgorithm.HS256 => CryptographicOperations.FixedTimeEquals(HMACSHA256.HashData(_secret, text), signature),
        SigningAlgorithm.ES256 => _ec.VerifyData(text, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation),
        _ => Ed25519.Verify(signature, 0, Material, 0, text, 0, text.Length),
    };

    public static string Encode(ReadOnlySpan<byte> bytes) => Base64Url.EncodeToString(bytes);

    public void Dispose() => _ec.Dispose();
}

/// <summary>Claims with one of them changed.</summary>
public static class ClaimChanges
{
    public static JsonObject With(this JsonObject claims, string name, JsonNode? value)
    {
        claims[name] = value;
        return claims;
    }
}
