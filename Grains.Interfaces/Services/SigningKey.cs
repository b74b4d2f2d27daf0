using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>How a token that lets a visitor in is signed.</summary>
[GenerateSerializer, Alias("plane.SigningAlgorithm")]
[JsonConverter(typeof(StrictEnumConverter<SigningAlgorithm>))]
public enum SigningAlgorithm
{
    /// <summary>HMAC with SHA-256: both sides have the secret.</summary>
    HS256 = 1,

    /// <summary>ECDSA on P-256 with SHA-256.</summary>
    ES256 = 2,

    /// <summary>Ed25519.</summary>
    EdDSA = 3,
}

/// <summary>A key that a service's tokens are checked with. Goes to proxies; nothing else shows its material.</summary>
[GenerateSerializer, Immutable, Alias("plane.SigningKey")]
public sealed record SigningKey
{
    /// <summary>The <c>kid</c> that tokens name it by.</summary>
    [Id(0)]
    public required string Kid { get; init; }

    /// <summary>The one algorithm that it is for.</summary>
    [Id(1)]
    public required SigningAlgorithm Alg { get; init; }

    /// <summary>
    /// In base64url without padding: for HS256 the secret (32 to 512 bytes), for ES256 the public point (65 bytes, <c>04</c>, X, Y; it is on the curve), for EdDSA the public key
    /// (32 bytes, RFC 8032).
    /// </summary>
    [Id(2)]
    public required string Material { get; init; }

    /// <summary>Without the material.</summary>
    public override string ToString() => $"{Kid} ({Alg})";
}

/// <summary>A signing key as it is shown: without its material.</summary>
[GenerateSerializer, Immutable, Alias("plane.SigningKeyInfo")]
public sealed record SigningKeyInfo
{
    /// <summary>The <c>kid</c> that tokens name it by.</summary>
    [Id(0)]
    public required string Kid { get; init; }

    /// <summary>The one algorithm that it is for.</summary>
    [Id(1)]
    public required SigningAlgorithm Alg { get; init; }

    /// <summary>When it was registered, by the database's clock.</summary>
    [Id(2)]
    public required DateTimeOffset CreatedAt { get; init; }
}

/// <summary>The body of <c>POST /ctrl/s/{service}/keys</c>. Checked and read by <see cref="SigningKeyRules"/>.</summary>
public sealed record SigningKeyRequest
{
    /// <summary>The <c>kid</c> that tokens will name it by.</summary>
    public required string Kid { get; init; }

    /// <summary>The algorithm.</summary>
    public required SigningAlgorithm Alg { get; init; }

    /// <summary>For HS256: the secret in base64url, 32 to 512 bytes.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Secret { get; init; }

    /// <summary>For ES256 and EdDSA: the public key, as a text in PEM (<c>PUBLIC KEY</c>) or as an object that is a JWK.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonText? PublicKey { get; init; }

    /// <summary>Without the secret.</summary>
    public override string ToString() => $"{Kid} ({Alg})";
}
