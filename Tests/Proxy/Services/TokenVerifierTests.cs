using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Plane.ProxyHost;
using Plane.ProxyHost.Signing;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>What a signed token must be: each attempt to enter with something else, in its own words.</summary>
public sealed partial class TokenVerifierTests : IDisposable
{
    private static readonly ServiceName s_service = ServiceName.Parse("board");

    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly FixedTime _time = new(DateTimeOffset.Parse("2026-05-01T12:00:00Z", System.Globalization.CultureInfo.InvariantCulture));
    private readonly ProxyMetrics _metrics;
    private readonly TokenVerifier _verifier;

    public TokenVerifierTests()
    {
        _metrics = new ProxyMetrics(_services.GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>());
        _verifier = new TokenVerifier(new ProxyOptions { TokenCacheSize = 100 }, _metrics, _time);
    }

    public static TheoryData<SigningAlgorithm> Algorithms => new(SigningAlgorithm.HS256, SigningAlgorithm.ES256, SigningAlgorithm.EdDSA);

    public void Dispose() => _services.Dispose();

    [Theory]
    [MemberData(nameof(Algorithms))]
    public async Task A_token_of_the_services_key_opens_its_key_as_its_user(SigningAlgorithm alg)
    {
        using var signer = new Signer(alg);
        var claims = Claims();
        claims["auth"] = new JsonObject { ["role"] = "editor" };

        var token = await ValidAsync(signer.Sign(claims), signer);

        Assert.Equal(("ada", """{"role":"editor"}"""), (token.Username, token.UserData));
        Assert.Equal("room", token.KeyOf("room")?.Name);
        Assert.True(token.Opens(new KeyConfig { Name = "room" }));
        Assert.False(token.Opens(new KeyConfig { Name = "room2" }));
        Assert.False(token.Opens(new KeyConfig { Name = "room", Namespace = "team" }));
        Assert.Null(token.KeyOf("room2"));
    }

    [Theory]
    [MemberData(nameof(Algorithms))]
    public async Task A_signature_of_another_key_or_text_opens_nothing(SigningAlgorithm alg)
    {
        using var signer = new Signer(alg);
        using var other = new Signer(alg, signer.Kid);
        var good = signer.Sign(Claims());
        var parts = good.Split('.');
        var otherBody = signer.Sign(Claims().With("key", "other")).Split('.')[1];
        foreach (var bad in new[]
        {
            other.Sign(Claims()), $"{parts[0]}.{otherBody}.{parts[2]}", $"{parts[0]}.{parts[1]}.{Flip(parts[2], 0)}", $"{parts[0]}.{parts[1]}.{parts[2][..^4]}",
            $"{parts[0]}.{parts[1]}.{Signer.Encode(new byte[64])}", $"{parts[0]}.{parts[1]}.AA",
        })
        {
            Assert.Equal(TokenProblem.BadSignature, await ProblemAsync(bad, signer));
        }

        // The library reads the claims before it verifies; what it can't read is refused anyway.
        Assert.Equal(TokenProblem.BadClaims, await ProblemAsync(other.Sign(Claims().With("exp", "tomorrow")), signer));
    }

    [Fact]
    public async Task No_token_says_by_which_algorithm_it_is_judged()
    {
        using var shared = new Signer(SigningAlgorithm.HS256, "shared");
        using var ec = new Signer(SigningAlgorithm.ES256, "ec");
        using var ed = new Signer(SigningAlgorithm.EdDSA, "ed");
        var body = Claims().ToJsonString();
        var attempts = new List<string>();
        foreach (var kid in new[] { "shared", "ec", "ed" })
        {
            foreach (var alg in new[] { "none", "None", "NONE", "", "hs256", "HS384", "RS256", "PS256", "ES384", "ES256K", "dir", "A128KW" })
            {
                var text = $"{Signer.Encode(Encoding.UTF8.GetBytes($$"""{"alg":"{{alg}}","kid":"{{kid}}"}"""))}.{Signer.Encode(Encoding.UTF8.GetBytes(body))}";
                attempts.Add($"{text}.{Signer.Encode(shared.SignatureOf(Encoding.ASCII.GetBytes(text)))}");
                attempts.Add($"{text}.");
            }
        }

        // The public key as the secret of an HMAC: what a library that asks the token does with "HS256".
        foreach (var key in new[] { ec, ed })
        {
            var text = $"{Signer.Encode(Encoding.UTF8.GetBytes($$"""{"alg":"HS256","kid":"{{key.Kid}}"}"""))}.{Signer.Encode(Encoding.UTF8.GetBytes(body))}";
            attempts.Add($"{text}.{Signer.Encode(HMACSHA256.HashData(key.Material, Encoding.ASCII.GetBytes(text)))}");
        }

        foreach (var attempt in attempts)
        {
            var problem = await ProblemAsync(attempt, shared, ec, ed);
            Assert.True(problem is TokenProblem.WrongAlgorithm or TokenProblem.Malformed, $"{problem}: {attempt}");
        }
    }

    [Fact]
    public async Task A_kid_that_the_service_has_not_is_unknown_and_chooses_nothing_else()
    {
        using var signer = new Signer();
        foreach (var kid in new[] { "other", signer.Kid.ToUpperInvariant(), signer.Kid + " ", "../" + signer.Kid, "' or 1=1" })
        {
            Assert.Equal(TokenProblem.UnknownKey, await ProblemAsync(signer.Sign(Claims(), h => h["kid"] = kid), signer));
        }

        foreach (var header in new[] { "jwk", "jku", "x5u", "x5c", "x5t" })
        {
            using var attacker = new Signer(SigningAlgorithm.ES256);
            var token = attacker.Sign(Claims(), h =>
            {
                h["kid"] = signer.Kid;
                h[header] = "https://attacker.example/key";
            });
            Assert.Equal(TokenProblem.WrongAlgorithm, await ProblemAsync(token, signer));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a.b.c")]
    [InlineData("....")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("eyJhbGciOiJIUzI1NiIsImtpZCI6ImsifQ")]
    [InlineData("eyJhbGciOiJIUzI1NiIsImtpZCI6ImsifQ..")]
    public async Task What_is_not_three_parts_is_no_token(string text)
    {
        using var signer = new Signer(kid: "k");
        Assert.Equal(TokenProblem.Malformed, await ProblemAsync(text, signer));
    }

    [Theory]
    [InlineData("""{"alg":"HS256","kid":"k","kid":"k"}""")]
    [InlineData("""{"alg":"none","alg":"HS256","kid":"k"}""")]
    [InlineData("""{"alg":"HS256","kid":"k","crit":["exp"]}""")]
    [InlineData("""{"alg":"HS256","kid":"k","b64":false}""")]
    [InlineData("""{"alg":"HS256","kid":"k","zip":"DEF"}""")]
    [InlineData("""{"alg":"HS256","kid":"k","enc":"A128GCM"}""")]
    [InlineData("""{"alg":["HS256"],"kid":"k"}""")]
    [InlineData("""{"alg":"HS256","kid":1}""")]
    [InlineData("""{"alg":"HS256","kid":""}""")]
    [InlineData("""{"alg":"HS256"}""")]
    [InlineData("""{"kid":"k"}""")]
    [InlineData("""{"alg":"HS256","kid":"k"} {}""")]
    [InlineData("""{"alg":"HS256","kid":"k"}x""")]
    [InlineData("""["alg","HS256"]""")]
    [InlineData("""{"alg":"HS256","kid":"k\ud800"}""")]
    [InlineData("{\"alg\":\"HS256\",\"kid\":\"k\"")]
    [InlineData("""{"alg":"HS256","kid":"k",}""")]
    [InlineData("null")]
    public async Task A_header_that_could_be_read_in_two_ways_is_malformed(string header)
    {
        using var signer = new Signer(kid: "k");
        Assert.Equal(TokenProblem.Malformed, await ProblemAsync(signer.Sign(header, Claims().ToJsonString()), signer));
    }

    [Fact]
    public async Task Padding_blanks_and_other_alphabets_are_malformed()
    {
        using var signer = new Signer();
        var good = signer.Sign(Claims());
        foreach (var bad in new[] { good + "=", good + " ", " " + good, good + "\n", good.Replace('.', ','), good + ".", good + "." + good, good.Replace("e", "é", StringComparison.Ordinal), good + "+/" })
        {
            Assert.Equal(TokenProblem.Malformed, await ProblemAsync(bad, signer));
        }
    }

    [Theory]
    [InlineData(3_500, nameof(TokenProblem.None))]
    [InlineData(3_501, nameof(TokenProblem.TooLarge))]
    [InlineData(16_384, nameof(TokenProblem.TooLarge))]
    public async Task A_token_must_fit_into_a_cookie(int length, string expected)
    {
        using var signer = new Signer(SigningAlgorithm.HS256, "k");
        var claims = Claims();
        claims["auth"] = new JsonObject { ["x"] = "" };
        var token = signer.Sign(claims);
        for (var fill = (length - token.Length) * 3 / 4; token.Length < length; fill++)
        {
            claims["auth"] = new JsonObject { ["x"] = new string('x', fill) };
            token = signer.Sign(claims);
        }

        // Base64 has no text of every length; what is short of the limit stands for it.
        Assert.InRange(token.Length, length, length + 1);
        var fits = token.Length <= TokenVerifier.MaxLength;
        Assert.Equal(fits ? expected : nameof(TokenProblem.TooLarge), (await ProblemAsync(token, signer)).ToString());
    }

    [Theory]
    [InlineData(-59, nameof(TokenProblem.None))]
    [InlineData(-61, nameof(TokenProblem.Expired))]
    [InlineData(86_459, nameof(TokenProblem.None))]
    [InlineData(86_461, nameof(TokenProblem.LivesTooLong))]
    public async Task Its_expiry_is_near_with_a_minute_for_the_clocks(int seconds, string expected)
    {
        using var signer = new Signer();
        Assert.Equal(expected, (await ProblemAsync(signer.Sign(Claims().With("exp", Now() + seconds)), signer)).ToString());
    }

    [Theory]
    [InlineData("nbf", 59, nameof(TokenProblem.None))]
    [InlineData("nbf", 61, nameof(TokenProblem.NotYetValid))]
    [InlineData("iat", 59, nameof(TokenProblem.None))]
    [InlineData("iat", 61, nameof(TokenProblem.NotYetValid))]
    [InlineData("iat", -86_400 + 3600, nameof(TokenProblem.None))]
    [InlineData("iat", -86_400 + 3599, nameof(TokenProblem.LivesTooLong))]
    public async Task It_is_not_from_the_future_and_lives_a_day_at_most(string claim, int seconds, string expected)
    {
        using var signer = new Signer();
        Assert.Equal(expected, (await ProblemAsync(signer.Sign(Claims().With(claim, Now() + seconds)), signer)).ToString());
    }

    [Fact]
    public async Task A_token_of_another_service_opens_nothing_even_by_a_key_that_both_have()
    {
        using var signer = new Signer();
        foreach (var audience in new JsonNode[] { "chat", "Board", "board ", "boards", "board/", new JsonArray("chat", "other") })
        {
            Assert.Equal(TokenProblem.OtherService, await ProblemAsync(signer.Sign(Claims().With("aud", audience)), signer));
        }

        Assert.Equal(TokenProblem.None, await ProblemAsync(signer.Sign(Claims().With("aud", new JsonArray("chat", "board"))), signer));

        // And one that was verified for its own service isn't taken for it by its text.
        var token = signer.Sign(Claims());
        Assert.Equal(TokenProblem.None, await ProblemAsync(token, signer));
        var chat = await _verifier.VerifyAsync(ServiceName.Parse("chat"), KeysOf(signer), token);
        Assert.Equal(TokenProblem.OtherService, chat.Problem);
    }

    [Theory]
    [InlineData("exp", null)]
    [InlineData("exp", "\"tomorrow\"")]
    [InlineData("exp", "1e400")]
    [InlineData("exp", "-1")]
    [InlineData("exp", "999999999999999")]
    [InlineData("exp", "{}")]
    [InlineData("nbf", "\"now\"")]
    [InlineData("iat", "true")]
    [InlineData("aud", null)]
    [InlineData("aud", "[]")]
    [InlineData("aud", "[1]")]
    [InlineData("aud", "7")]
    [InlineData("key", null)]
    [InlineData("key", "\"\"")]
    [InlineData("key", "[\"room\"]")]
    [InlineData("key", "\"a\\u0000b\"")]
    [InlineData("key", "\"a\\ud800b\"")]
    [InlineData("keys", "\"room\"")]
    [InlineData("namespace", "7")]
    [InlineData("namespace", "\"a\\nb\"")]
    [InlineData("sub", "\"\"")]
    [InlineData("sub", "\"a\\r\\nx-verified-username: root\"")]
    [InlineData("sub", "7")]
    [InlineData("auth", "\"text\"")]
    [InlineData("auth", "[]")]
    [InlineData("auth", "null")]
    public async Task A_claim_that_is_missing_or_not_valid_refuses_the_token(string claim, string? value)
    {
        using var signer = new Signer();
        var members = Claims().Where(c => c.Key != claim).Select(c => $"\"{c.Key}\":{c.Value!.ToJsonString()}").ToList();
        if (value is not null)
        {
            members.Add($"\"{claim}\":{value}");
        }

        Assert.Equal(TokenProblem.BadClaims, await ProblemAsync(signer.Sign($$"""{"alg":"HS256","kid":"{{signer.Kid}}"}""", "{" + string.Join(',', members) + "}"), signer));
    }

    [Theory]
    [InlineData("\"key\":\"other\"")]
    [InlineData("\"aud\":\"board\"")]
    [InlineData("\"exp\":99999999999")]
    [InlineData("\"sub\":\"root\"")]
    [InlineData("\"k\\u0065y\":\"other\"")]
    [InlineData("\"keys\":\"*\"")]
    public async Task A_claim_that_is_there_twice_refuses_the_token(string again)
    {
        using var signer = new Signer();
        var body = Claims().ToJsonString();
        Assert.Equal(TokenProblem.BadClaims, await ProblemAsync(signer.Sign($$"""{"alg":"HS256","kid":"{{signer.Kid}}"}""", $"{body[..^1]},{again}}}"), signer));
    }

    [Theory]
    [InlineData("*", "room", true)]
    [InlineData("*", "", false)]
    [InlineData("team-*", "team-1", true)]
    [InlineData("team-*", "team-", true)]
    [InlineData("team-*", "team", false)]
    [InlineData("team-*", "Team-1", false)]
    [InlineData("team", "team", true)]
    [InlineData("team", "team-1", false)]
    public async Task Keys_are_named_in_full_or_by_how_they_begin(string keys, string name, bool opens)
    {
        using var signer = new Signer();
        var token = await ValidAsync(signer.Sign(Claims(null).With("keys", keys)), signer);
        Assert.Equal(opens, name.Length > 0 && token.Opens(new KeyConfig { Name = name }));
        Assert.False(token.Opens(new KeyConfig { Name = name, Namespace = "other" }));
    }

    [Theory]
    [InlineData("[\"a*b\"]")]
    [InlineData("\"*a\"")]
    [InlineData("\"a**\"")]
    [InlineData("[]")]
    [InlineData("[\"a\",7]")]
    [InlineData("{}")]
    public async Task A_pattern_has_one_star_at_its_end(string keys)
    {
        using var signer = new Signer();
        var body = $$"""{"aud":"board","exp":{{Now() + 60}},"keys":{{keys}}}""";
        Assert.Equal(TokenProblem.BadClaims, await ProblemAsync(signer.Sign($$"""{"alg":"HS256","kid":"{{signer.Kid}}"}""", body), signer));
    }

    [Fact]
    public async Task A_key_of_a_namespace_is_found_by_the_hash_that_is_its_label()
    {
        using var signer = new Signer();
        var key = new KeyConfig { Name = "Room 1", Namespace = "team" };
        var token = await ValidAsync(signer.Sign(Claims("Room 1").With("namespace", "team")), signer);
        Assert.Equal(key, token.KeyOf(ServiceLabel.Of(s_service, key)));
        Assert.Null(token.KeyOf(ServiceLabel.Of(s_service, key with { Namespace = "" })));
    }

    [Fact]
    public async Task A_visitor_costs_one_verification_until_the_token_expires_or_its_key_goes()
    {
        using var signer = new Signer();
        using var other = new Signer();
        var keys = KeysOf(signer, other);
        var token = signer.Sign(Claims());
        var first = await _verifier.VerifyAsync(s_service, keys, token);
        Assert.Same(first.Token, (await _verifier.VerifyAsync(s_service, keys, token)).Token);

        // Another key is removed: the same object still stands for it.
        var after = VerificationKeys.From([signer.Key], keys, _ => { });
        Assert.Same(first.Token, (await _verifier.VerifyAsync(s_service, after, token)).Token);

        // Its own is, or another takes its name.
        Assert.Equal(TokenProblem.UnknownKey, (await _verifier.VerifyAsync(s_service, VerificationKeys.From([other.Key], after, _ => { }), token)).Problem);
        using var successor = new Signer(SigningAlgorithm.HS256, signer.Kid);
        Assert.NotEqual(TokenProblem.None, (await _verifier.VerifyAsync(s_service, VerificationKeys.From([successor.Key], after, _ => { }), token)).Problem);

        _time.Now += TimeSpan.FromSeconds(3600 + 59);
        Assert.Equal(TokenProblem.None, (await _verifier.VerifyAsync(s_service, after, token)).Problem);
        _time.Now += TimeSpan.FromSeconds(1);
        Assert.Equal(TokenProblem.Expired, (await _verifier.VerifyAsync(s_service, after, token)).Problem);
    }

    [Fact]
    public void Key_material_that_is_none_is_left_out()
    {
        using var ec = new Signer(SigningAlgorithm.ES256);
        var unusable = new List<string>();
        SigningKey[] bad =
        [
            ec.Key with { Kid = "off-curve", Material = Signer.Encode([4, .. RandomNumberGenerator.GetBytes(64)]) },
            ec.Key with { Kid = "short", Material = Signer.Encode(RandomNumberGenerator.GetBytes(64)) },
            ec.Key with { Kid = "ed-small-order", Alg = SigningAlgorithm.EdDSA, Material = Signer.Encode(new byte[32]) },
            ec.Key with { Kid = "hs-short", Alg = SigningAlgorithm.HS256, Material = Signer.Encode(new byte[31]) },
            ec.Key with { Kid = "no-alg", Alg = (SigningAlgorithm)9 },
            ec.Key with { Kid = "not-base64", Material = "!" },
        ];
        var keys = VerificationKeys.From([.. bad, ec.Key], VerificationKeys.None, k => unusable.Add(k.Kid));
        Assert.Equal(bad.Select(k => k.Kid), unusable);
        Assert.NotNull(keys.Find(ec.Kid));
    }

    private static VerificationKeys KeysOf(params Signer[] signers) => VerificationKeys.From(signers.Select(s => s.Key), VerificationKeys.None, key => Assert.Fail($"{key} can't be used"));

    private static string Flip(string text, int at) => text[..at] + (text[at] == 'A' ? 'B' : 'A') + text[(at + 1)..];

    private JsonObject Claims(string? key = "room") => Signer.Claims("board", key, _time.Now);

    private long Now() => _time.Now.ToUnixTimeSeconds();

    private async Task<TokenProblem> ProblemAsync(string token, params Signer[] keys) => (await _verifier.VerifyAsync(s_service, KeysOf(keys), token)).Problem;

    private async Task<VerifiedToken> ValidAsync(string token, Signer signer)
    {
        var verification = await _verifier.VerifyAsync(s_service, KeysOf(signer), token);
        Assert.Equal(TokenProblem.None, verification.Problem);
        return verification.Token!;
    }

    /// <summary>A wall clock that a test sets.</summary>
    private sealed class FixedTime(DateTimeOffset now) : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = now;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
