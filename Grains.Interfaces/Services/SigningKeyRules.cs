using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;

namespace Plane;

/// <summary>What a signing key must be, and how it is read. The one place where it is checked.</summary>
public static class SigningKeyRules
{
    /// <summary>The most keys of one service.</summary>
    public const int MaxKeys = 16;

    private const int LeastSecret = 32;
    private const int MostSecret = 512;
    private const int MaxPem = 4096;
    private const int Coordinate = 32;

    // SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 section 4): all but the 32 bytes of the key.
    private static readonly byte[] s_ed25519Info = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

    /// <summary>What is wrong with a <c>kid</c>, or <see langword="null"/>. It is a part of a path.</summary>
    /// <param name="kid">The text.</param>
    public static string? KidProblem(string? kid) =>
        kid is { Length: > 0 and <= NameRules.MaxId } and not ("." or "..") && kid.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
            ? null
            : $"must have 1 to {NameRules.MaxId} letters, digits, -, _ and .";

    /// <summary>Reads a key.</summary>
    /// <param name="request">What came.</param>
    /// <param name="key">The key, where it is valid.</param>
    /// <returns>The first thing that is wrong, or <see langword="null"/>. Holds nothing of the key.</returns>
    public static FieldError? TryRead(SigningKeyRequest request, out SigningKey? key)
    {
        ArgumentNullException.ThrowIfNull(request);
        key = null;
        byte[]? material = null;
        var error = FieldError.From("kid", KidProblem(request.Kid))
            ?? FieldError.From("alg", NameRules.EnumProblem<SigningAlgorithm>(request.Alg))
            ?? (request.Alg == SigningAlgorithm.HS256 ? ReadSecret(request, out material) : ReadPublicKey(request, out material));
        if (error is null)
        {
            key = new SigningKey { Kid = request.Kid, Alg = request.Alg, Material = Base64Url.EncodeToString(material!) };
        }

        return error;
    }

    /// <summary>Whether a stored key can be used: for rows of a database.</summary>
    /// <param name="key">The key.</param>
    public static bool IsValid(SigningKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return KidProblem(key.Kid) is null && TryDecode(key.Material) is { } material && key.Alg switch
        {
            SigningAlgorithm.HS256 => material.Length is >= LeastSecret and <= MostSecret,
            SigningAlgorithm.ES256 => material.Length == 1 + (2 * Coordinate) && material[0] == 4,
            SigningAlgorithm.EdDSA => material.Length == Coordinate,
            _ => false,
        };
    }

    private static FieldError? ReadSecret(SigningKeyRequest request, out byte[]? secret)
    {
        secret = TryDecode(request.Secret);
        return request.PublicKey is not null ? new FieldError("public_key", "cannot be given: HS256 has a secret")
            : request.Secret is null ? new FieldError("secret", "must be given: the secret in base64url")
            : secret is not { Length: >= LeastSecret and <= MostSecret } ? new FieldError("secret", $"must be {LeastSecret} to {MostSecret} bytes in base64url")
            : null;
    }

    private static FieldError? ReadPublicKey(SigningKeyRequest request, out byte[]? key)
    {
        key = null;
        if (request.Secret is not null)
        {
            return new FieldError("secret", "is for HS256 only");
        }

        if (request.PublicKey is not { Text: not "null" } given)
        {
            return new FieldError("public_key", "must be given: a PEM text or a JWK");
        }

        if (given.Text.Length > MaxPem)
        {
            return new FieldError("public_key", $"must have at most {MaxPem} characters");
        }

        using var json = JsonDocument.Parse(given.Text);
        try
        {
            (key, var problem) = json.RootElement.ValueKind switch
            {
                JsonValueKind.String => ReadPem(request.Alg, json.RootElement.GetString()!),
                JsonValueKind.Object => ReadJwk(request.Alg, json.RootElement),
                _ => (null, "must be a PEM text or a JWK"),
            };
            return FieldError.From("public_key", problem);
        }
        catch (CryptographicException)
        {
            return new FieldError("public_key", $"is not a valid public key for {request.Alg}");
        }
    }

    private static (byte[]? Key, string? Problem) ReadPem(SigningAlgorithm alg, string pem)
    {
        if (!PemEncoding.TryFind(pem, out var fields))
        {
            return (null, "must be in PEM: -----BEGIN PUBLIC KEY-----");
        }

        var label = pem[fields.Label];
        if (label.Contains("PRIVATE", StringComparison.Ordinal))
        {
            return (null, "is a private key: register its public key, and replace the private one, which was sent here");
        }

        if (label != "PUBLIC KEY")
        {
            return (null, "must be in PEM with the label PUBLIC KEY");
        }

        var der = Convert.FromBase64String(pem[fields.Base64Data]);
        if (alg == SigningAlgorithm.EdDSA)
        {
            return der.Length == s_ed25519Info.Length + Coordinate && der.AsSpan().StartsWith(s_ed25519Info)
                ? (der[s_ed25519Info.Length..], null)
                : (null, "is not an Ed25519 key");
        }

        using var ec = ECDsa.Create();
        ec.ImportSubjectPublicKeyInfo(der, out var read);
        var point = ec.ExportParameters(includePrivateParameters: false);
        return read == der.Length && point.Curve.Oid.Value == ECCurve.NamedCurves.nistP256.Oid.Value ? (Point(point.Q), null) : (null, "is not a key on P-256");
    }

    private static (byte[]? Key, string? Problem) ReadJwk(SigningAlgorithm alg, JsonElement jwk)
    {
        if (jwk.TryGetProperty("d", out _) || jwk.TryGetProperty("k", out _))
        {
            return (null, "is a private key: register its public key, and replace the private one, which was sent here");
        }

        var (type, curve) = alg == SigningAlgorithm.EdDSA ? ("OKP", "Ed25519") : ("EC", "P-256");
        if (Text(jwk, "kty") != type || Text(jwk, "crv") != curve)
        {
            return (null, $"must be a JWK with kty {type} and crv {curve}");
        }

        var x = TryDecode(Text(jwk, "x"));
        if (alg == SigningAlgorithm.EdDSA)
        {
            return x?.Length == Coordinate ? (x, null) : (null, "must have x, 32 bytes in base64url");
        }

        var y = TryDecode(Text(jwk, "y"));
        if (x?.Length != Coordinate || y?.Length != Coordinate)
        {
            return (null, "must have x and y, each 32 bytes in base64url");
        }

        // The import checks that the point is on the curve.
        using var ec = ECDsa.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, Q = new ECPoint { X = x, Y = y } });
        return (Point(ec.ExportParameters(includePrivateParameters: false).Q), null);
    }

    private static string? Text(JsonElement jwk, string name) =>
        jwk.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static byte[] Point(ECPoint point) => [4, .. point.X!, .. point.Y!];

    private static byte[]? TryDecode(string? text)
    {
        if (text is null || text.Length > 4 * MostSecret || !Base64Url.IsValid(text))
        {
            return null;
        }

        return Base64Url.DecodeFromChars(text);
    }
}
