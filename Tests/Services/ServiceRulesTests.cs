using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;

namespace Plane.Tests.Services;

/// <summary>What a service and its keys may be; every rule names its field.</summary>
public sealed class ServiceRulesTests
{
    private static readonly SpawnConfig s_spawn = new() { Executable = new Executable { Image = "board" } };

    [Fact]
    public void The_smallest_service_is_valid() => Assert.Null(ServiceRules.Validate(Config(c => c)));

    public static TheoryData<string, Func<ServiceConfig, ServiceConfig>> Bad() => new()
    {
        { "spawn_config.id", c => c with { SpawnConfig = s_spawn with { Id = BackendName.NewRandom() } } },
        { "spawn_config.subdomain", c => c with { SpawnConfig = s_spawn with { Subdomain = "a" } } },
        { "spawn_config.browser", c => c with { SpawnConfig = s_spawn with { Browser = true } } },
        { "spawn_config.use_static_token", c => c with { SpawnConfig = s_spawn with { UseStaticToken = true } } },
        { "spawn_config.cluster", c => c with { SpawnConfig = s_spawn with { Cluster = "no cluster" } } },
        { "spawn_config.executable.image", c => c with { SpawnConfig = s_spawn with { Executable = new Executable { Image = "A B" } } } },
        { "spawn_config.executable", c => c with { SpawnConfig = s_spawn with { Executable = null! } } },
        { "spawn_config", c => c with { SpawnConfig = null! } },
        { "access", c => c with { Access = null! } },
        { "access", c => c with { Access = new ServiceAccess { Kind = (ServiceAccessKind)9 } } },
        { "access", c => c with { Access = new ServiceAccess { Kind = ServiceAccessKind.Public, ForwardAuth = "http://a/" } } },
        { "access.forward_auth", c => c with { Access = ServiceAccess.ByForwardAuth("ftp://a/") } },
        { "access.forward_auth", c => c with { Access = ServiceAccess.ByForwardAuth("http://u:p@a/") } },
        { "access.forward_auth", c => c with { Access = ServiceAccess.ByForwardAuth("/relative") } },
        { "access.forward_auth", c => c with { Access = ServiceAccess.ByForwardAuth("http://a/#b") } },
        { "access.forward_auth", c => c with { Access = ServiceAccess.ByForwardAuth("http://a/\r\nx: y") } },
        { "access.forward_auth", c => c with { Access = ServiceAccess.ByForwardAuth("http://a/" + new string('p', 2048)) } },
        { "access.forward_auth", c => c with { Access = new ServiceAccess { Kind = ServiceAccessKind.ForwardAuth } } },
        { "max_backends", c => c with { MaxBackends = 0 } },
        { "max_backends", c => c with { MaxBackends = 1_000_001 } },
        { "warm.count", c => c with { Warm = new WarmConfig { Count = 0 } } },
        { "warm.count", c => c with { Warm = new WarmConfig { Count = 1_001 } } },
        { "warm.max_age_seconds", c => c with { Warm = new WarmConfig { Count = 1, MaxAgeSeconds = 9 } } },
        { "warm.claim_path", c => c with { Warm = new WarmConfig { Count = 1, ClaimPath = "claim" } } },
        { "warm.claim_path", c => c with { Warm = new WarmConfig { Count = 1, ClaimPath = "" } } },
        { "warm.claim_path", c => c with { Warm = new WarmConfig { Count = 1, ClaimPath = "/a b" } } },
        { "prepull", c => c with { Prepull = true, SpawnConfig = new SpawnConfig { Executable = new Executable { Command = ["run"] } } } },
    };

    [Theory]
    [MemberData(nameof(Bad))]
    public void Each_rule_names_its_field(string field, Func<ServiceConfig, ServiceConfig> change) => Assert.Equal(field, ServiceRules.Validate(Config(change))?.Path);

    [Theory]
    [InlineData("\"public\"", "public")]
    [InlineData("\"signed\"", "signed")]
    [InlineData("{\"forward_auth\":\"http://a/\"}", "forward_auth http://a/")]
    public void Access_is_one_of_three_in_json(string json, string text)
    {
        var access = JsonSerializer.Deserialize<ServiceAccess>(json, PlaneJson.Http)!;
        Assert.Equal(text, access.ToString());
        Assert.Equal(json, JsonSerializer.Serialize(access, PlaneJson.Http));
    }

    [Theory]
    [InlineData("\"Public\"")]
    [InlineData("\"\"")]
    [InlineData("1")]
    [InlineData("true")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"forward_auth\":1}")]
    [InlineData("{\"forward_auth\":null}")]
    [InlineData("{\"forward_auth\":\"http://a/\",\"more\":1}")]
    [InlineData("{\"more\":1,\"forward_auth\":\"http://a/\"}")]
    [InlineData("{\"public\":true}")]
    public void Nothing_else_is_access(string json) => Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<ServiceAccess>(json, PlaneJson.Http));

    [Fact]
    public void A_claim_path_that_is_not_given_is_the_usual_one_and_null_is_none()
    {
        Assert.Equal("/.plane/claim", JsonSerializer.Deserialize<WarmConfig>("{\"count\":1}", PlaneJson.Http)!.ClaimPath);
        Assert.Null(JsonSerializer.Deserialize<WarmConfig>("{\"count\":1,\"claim_path\":null}", PlaneJson.Http)!.ClaimPath);
    }

    [Fact]
    public void A_secret_is_read()
    {
        var secret = RandomText.Secret();
        Assert.Null(SigningKeyRules.TryRead(new SigningKeyRequest { Kid = "k1", Alg = SigningAlgorithm.HS256, Secret = secret }, out var key));
        Assert.Equal((secret, true), (key!.Material, SigningKeyRules.IsValid(key)));
    }

    [Fact]
    public void A_public_point_is_read_from_pem_and_from_a_jwk_alike()
    {
        using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var point = ec.ExportParameters(includePrivateParameters: false).Q;
        string[] publicKeys =
        [
            JsonSerializer.Serialize(ec.ExportSubjectPublicKeyInfoPem()),
            JsonSerializer.Serialize(new { kty = "EC", crv = "P-256", x = Base64Url.EncodeToString(point.X), y = Base64Url.EncodeToString(point.Y) }),
        ];
        foreach (var publicKey in publicKeys)
        {
            Assert.Null(Read(SigningAlgorithm.ES256, publicKey, out var key));
            Assert.Equal(Base64Url.EncodeToString([4, .. point.X!, .. point.Y!]), key!.Material);
            Assert.True(SigningKeyRules.IsValid(key));
        }
    }

    [Fact]
    public void An_ed25519_key_is_read_from_pem_and_from_a_jwk_alike()
    {
        // RFC 8410, section 10.1.
        const string Pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
        Assert.Null(Read(SigningAlgorithm.EdDSA, JsonSerializer.Serialize(Pem), out var fromPem));
        Assert.Null(Read(SigningAlgorithm.EdDSA, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE\"}", out var fromJwk));
        Assert.Equal("Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE", fromPem!.Material);
        Assert.Equal(fromPem, fromJwk);
    }

    public static TheoryData<string, SigningKeyRequest> BadKeys()
    {
        using var p384 = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        using var p256 = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var point = p256.ExportParameters(includePrivateParameters: false).Q;
        var x = Base64Url.EncodeToString(point.X);
        var offTheCurve = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        var valid = new SigningKeyRequest { Kid = "k", Alg = SigningAlgorithm.HS256, Secret = RandomText.Secret() };
        var es = new SigningKeyRequest { Kid = "k", Alg = SigningAlgorithm.ES256 };
        return new TheoryData<string, SigningKeyRequest>
        {
            { "kid", valid with { Kid = "" } },
            { "kid", valid with { Kid = ".." } },
            { "kid", valid with { Kid = "a/b" } },
            { "kid", valid with { Kid = new string('k', 65) } },
            { "alg", valid with { Alg = 0 } },
            { "secret", valid with { Secret = null } },
            { "secret", valid with { Secret = "short" } },
            { "secret", valid with { Secret = RandomText.Secret() + "!" } },
            { "secret", valid with { Secret = new string('a', 3_000) } },
            { "public_key", valid with { PublicKey = Json("\"x\"") } },
            { "public_key", es },
            { "secret", es with { Secret = RandomText.Secret() } },
            { "public_key", es with { PublicKey = Json("5") } },
            { "public_key", es with { PublicKey = Json("null") } },
            { "public_key", es with { PublicKey = Json("\"no pem\"") } },
            { "public_key", es with { PublicKey = Json(JsonSerializer.Serialize(p256.ExportECPrivateKeyPem())) } },
            { "public_key", es with { PublicKey = Json(JsonSerializer.Serialize(p256.ExportPkcs8PrivateKeyPem())) } },
            { "public_key", es with { PublicKey = Json(JsonSerializer.Serialize(p384.ExportSubjectPublicKeyInfoPem())) } },
            { "public_key", es with { PublicKey = Json($"\"-----BEGIN PUBLIC KEY-----\\n{Convert.ToBase64String(new byte[40])}\\n-----END PUBLIC KEY-----\"") } },
            { "public_key", es with { PublicKey = Json($"{{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"{x}\",\"y\":\"{offTheCurve}\"}}") } },
            { "public_key", es with { PublicKey = Json($"{{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"{x}\"}}") } },
            { "public_key", es with { PublicKey = Json($"{{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"{x}\",\"y\":\"{x}\",\"d\":\"{x}\"}}") } },
            { "public_key", es with { PublicKey = Json("{\"kty\":\"oct\",\"k\":\"AAAA\"}") } },
            { "public_key", es with { PublicKey = Json($"{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"{x}\"}}") } },
            { "public_key", es with { Alg = SigningAlgorithm.EdDSA, PublicKey = Json(JsonSerializer.Serialize(p256.ExportSubjectPublicKeyInfoPem())) } },
            { "public_key", es with { PublicKey = Json(JsonSerializer.Serialize(new string('p', 5_000))) } },
        };
    }

    [Theory]
    [MemberData(nameof(BadKeys))]
    public void A_key_of_another_kind_is_refused_without_being_quoted(string field, SigningKeyRequest request)
    {
        var error = SigningKeyRules.TryRead(request, out var key);
        Assert.Equal(field, error?.Path);
        Assert.Null(key);
        Assert.True(error!.Message.Length < 200, error.Message);
        if (request.Secret is { Length: > 5 } secret)
        {
            Assert.DoesNotContain(secret, error.Message, StringComparison.Ordinal);
        }
    }

    private static JsonText Json(string text) => JsonText.TryParse(text, out var json) ? json : throw new FormatException(text);

    private static FieldError? Read(SigningAlgorithm alg, string publicKey, out SigningKey? key) =>
        SigningKeyRules.TryRead(new SigningKeyRequest { Kid = "k", Alg = alg, PublicKey = Json(publicKey) }, out key);

    private static ServiceConfig Config(Func<ServiceConfig, ServiceConfig> change) => change(new ServiceConfig { SpawnConfig = s_spawn, Access = ServiceAccess.Public });
}
